// What a case is, in words.

import { CaseEnding, CaseState, type Case, type Scope } from "../gen/sightline/v1/cases_pb.js";
import type { Camera } from "../gen/sightline/v1/cameras_pb.js";
import { Purpose } from "../gen/sightline/v1/vocabulary_pb.js";
import { className, keptOut, millis, partName } from "./words";

const RADIUS = 6_371_008.8;

export function metres(a: { latitude: number; longitude: number }, b: { latitude: number; longitude: number }): number {
  const rad = (d: number) => (d * Math.PI) / 180;
  const h =
    Math.sin(rad(b.latitude - a.latitude) / 2) ** 2 +
    Math.cos(rad(a.latitude)) * Math.cos(rad(b.latitude)) * Math.sin(rad(b.longitude - a.longitude) / 2) ** 2;
  return 2 * RADIUS * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The cameras that a scope names, by id, by agency or by place. */
export function covered(scope: Scope | undefined, all: Camera[]): Camera[] {
  if (!scope) return [];
  const near = (c: Camera) =>
    !!(scope.area?.centre && c.position) && metres(scope.area.centre, c.position) <= scope.area.radiusMetres;
  return all.filter((c) => scope.cameraIds.includes(c.id) || scope.agencyIds.includes(c.agencyId) || near(c));
}

export interface Kept {
  camera: Camera;
  /** Empty: it can be searched. */
  why: string;
}

/** Each camera of a case with why it can't be searched as things stand. */
export function standing(c: Case, all: Camera[]): Kept[] {
  const signatures = c.authorisations.length;
  return covered(c.scope, all).map((camera) => ({ camera, why: keptOut(camera.policy, c.purpose, Math.max(1, signatures)) }));
}

export function places(scope: Scope | undefined): string {
  if (!scope) return "nothing";
  const words = [...scope.cameraIds, ...scope.agencyIds.map((a) => `every camera of ${a}`)];
  const { area } = scope;
  if (area?.centre) {
    words.push(`every camera within ${area.radiusMetres} m of ${area.centre.latitude.toFixed(6)}, ${area.centre.longitude.toFixed(6)}`);
  }
  return words.join(", ") || "nothing";
}

export const classes = (scope: Scope | undefined) => scope?.classes.map(className).join(", ") || "figures, vehicles and things";
export const parts = (scope: Scope | undefined) => scope?.parts.map(partName).join(", ") || "every part that the purpose allows";

export const isEmergency = (c: Case) => c.emergency !== "";
export const runsUnsigned = (c: Case, now: number) => c.state === CaseState.REQUESTED && millis(c.emergencyUntil) > now;

/** An emergency that is over and that nobody has said yes or no to. */
export const reviewDue = (c: Case) =>
  isEmergency(c) &&
  c.authorisations.length === 0 &&
  c.state === CaseState.CLOSED &&
  (c.ending === CaseEnding.CLOSED || c.ending === CaseEnding.UNAUTHORISED);

/** Why a case permits no search now; empty: it does. */
export function barred(c: Case, now: number): string {
  if (c.state === CaseState.CLOSED) {
    const why = c.closedReason ? `: ${c.closedReason}` : "";
    if (c.ending === CaseEnding.REFUSED) return `An authoriser refused this case${why}. What was found under it was purged.`;
    if (c.ending === CaseEnding.UNAUTHORISED) return "Nobody authorised this emergency in time. What was found under it was purged.";
    return `This case is closed${why}.`;
  }
  if (millis(c.expires) <= now) return "This case has expired.";
  if (millis(c.created) > now + 1000) return "This case has not begun.";
  if (c.state === CaseState.REQUESTED && !runsUnsigned(c, now)) return "Nobody has authorised this case yet.";
  return "";
}

export function stateWords(c: Case, now: number): { text: string; tone: "good" | "warn" | "bad" | "" } {
  if (reviewDue(c)) return { text: "closed, review due", tone: "warn" };
  if (c.state === CaseState.CLOSED) {
    return { text: c.ending === CaseEnding.REFUSED ? "refused" : c.ending === CaseEnding.UNAUTHORISED ? "ended unauthorised" : "closed", tone: "" };
  }
  if (millis(c.expires) <= now) return { text: "expired", tone: "" };
  if (runsUnsigned(c, now)) return { text: "emergency, not authorised", tone: "warn" };
  if (c.state === CaseState.REQUESTED) return { text: "waits to be authorised", tone: "warn" };
  return { text: "authorised", tone: "good" };
}

export const allowsStature = (p: Purpose) => p === Purpose.MISSING_PERSON;
