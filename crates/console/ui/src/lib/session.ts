// The key that the link's secret was traded for. It is kept in the memory of the page and nowhere else: another page of this
// console may be given it by one that is open, a page that was reloaded alone may not.

import { fromBinary } from "@bufbuild/protobuf";
import { CaseSchema, type Case } from "../gen/sightline/v1/cases_pb.js";
import { readGrantBytes } from "./grant";

let key = "";

/** By which door the page came: the person's own program, which does what no server should, or the server itself. */
export const ownDoor = location.protocol !== "https:";

/** What stood between the page and the console. */
export type Entered = "in" | "used" | "none" | "away";

const pages = new BroadcastChannel("console");
pages.onmessage = (event: MessageEvent<{ ask?: true; key?: string }>) => {
  if (event.data.ask && key) pages.postMessage({ key });
};

/** Asks the other pages of this console, which are of this origin, for the key. */
function askOthers(): Promise<string> {
  return new Promise((resolve) => {
    const answers = new BroadcastChannel("console");
    const done = (found: string) => {
      clearTimeout(waited);
      answers.close();
      resolve(found);
    };
    const waited = setTimeout(() => done(""), 400);
    answers.onmessage = (event: MessageEvent<{ key?: string }>) => {
      if (event.data.key) done(event.data.key);
    };
    answers.postMessage({ ask: true });
  });
}

export async function enter(): Promise<Entered> {
  const secret = /^#[0-9a-f]{64}$/.test(location.hash) ? location.hash.slice(1) : "";
  // At once, so that neither history nor a picture of the screen has it.
  history.replaceState(null, "", location.pathname + location.search);
  // There the certificate is who comes in.
  if (!ownDoor) return "in";
  if (!secret) {
    key = await askOthers();
    return key ? "in" : "none";
  }
  try {
    const answer = await fetch("/session", { method: "POST", body: secret, headers: { "content-type": "text/plain" } });
    if (answer.ok) {
      key = await answer.text();
      return "in";
    }
  } catch {
    return "away";
  }
  key = await askOthers();
  return key ? "in" : "used";
}

export const consoleKey = () => key;

/** What this machine did not do, and what to do about it. */
export class Refusal extends Error {
  constructor(
    readonly reason: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** What only the person's own program does, never the server. */
async function local(path: string, body: Uint8Array): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`/local/${path}`, {
      method: "POST",
      body: body as BufferSource,
      headers: { "content-type": "application/octet-stream", "x-console-key": key },
    });
  } catch {
    throw new Refusal("no_console", "the console does not answer", "is `sightline console` still running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 422) {
    const why = (await answer.json()) as { reason: string; message: string; hint: string };
    throw new Refusal(why.reason, why.message, why.hint);
  }
  throw new Refusal("no_console_key", await answer.text(), "press Enter where `sightline console` runs, and open the link it prints");
}

export interface Who {
  identity: string;
  log_key: string | null;
}

export interface CheckedExport {
  log: string;
  sightings: number;
  files: number;
  entry: number;
  entries: number;
  manifest_sha256: string;
}

const nothing = new Uint8Array();
const bytes = async (answer: Response) => new Uint8Array(await answer.arrayBuffer());

export const who = async (): Promise<Who> => (ownDoor ? ((await (await local("who", nothing)).json()) as Who) : { identity: "", log_key: null });

/** What the bytes say, read by the person's own program where there is one. */
export async function readGrant(id: string, grant: Uint8Array): Promise<Case> {
  if (ownDoor) return fromBinary(CaseSchema, await bytes(await local(`grant?case=${id}`, grant)));
  try {
    return readGrantBytes(id, grant);
  } catch (error) {
    throw new Refusal("bad_grant", error instanceof Error ? error.message : String(error), "do not sign it; tell whoever runs the server");
  }
}
export const signGrant = async (id: string, grant: Uint8Array) => bytes(await local(`sign?case=${id}`, grant));
/** Absent at the server's door: nothing on this machine checks it there. */
export const checkExport = async (zip: Uint8Array) => (ownDoor ? ((await (await local("export", zip)).json()) as CheckedExport) : undefined);
