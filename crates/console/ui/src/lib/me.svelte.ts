// Who the server takes the person to be, and what this machine knows.

import type { Party } from "../gen/sightline/v1/cases_pb.js";
import { Role } from "../gen/sightline/v1/vocabulary_pb.js";
import { admin } from "./api";
import { Asked } from "./asked.svelte";
import { who, type Who } from "./session";
import { seconds } from "./words";

export interface Me {
  party: Party | undefined;
  role: Role;
  version: string;
  local: Who;
  /** Whether the deployment takes signatures of passkeys, and how many of the person's it knows. */
  passkeys: { allowed: boolean; known: number };
  /** How long sightings live where an owner says nothing, and the longest that a hold may last; in seconds. */
  keeps: number;
  holds: number;
}

export const me = new Asked<Me>();

export const meet = () =>
  me.ask(async () => {
    const [status, local] = await Promise.all([admin.status({}), who()]);
    return { party: status.caller, role: status.caller?.role ?? Role.UNSPECIFIED, version: status.version, local, passkeys: { allowed: status.passkeysAllowed, known: status.passkeysKnown }, keeps: seconds(status.defaultRetention), holds: seconds(status.longestHold) };
  });

export const is = (...roles: Role[]) => roles.includes(me.answer?.role ?? Role.UNSPECIFIED);

/** What is told once and for all, such as a verdict that was given: read out, and shown nowhere. */
let said = $state("");
let last = "";
export const voice = {
  get said() {
    return said;
  },
};
export function say(text: string) {
  // The same words twice are read twice.
  last = last === text ? `${text}\u00a0` : text;
  said = last;
}
