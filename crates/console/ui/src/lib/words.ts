// The closed vocabulary and the times, in the words that people read.

import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import type { Party } from "../gen/sightline/v1/cases_pb.js";
import type { Camera, CameraPolicy } from "../gen/sightline/v1/cameras_pb.js";
import { Carried, Class, Colour, DescriptionPart, Purpose, Role, Stature } from "../gen/sightline/v1/vocabulary_pb.js";

/** The name of a word: CLASS_MISSING_PERSON's enum member is MISSING_PERSON. */
export function word(of: Record<number, string>, value: number): string {
  const name = of[value];
  return name && value !== 0 ? name.toLowerCase().replaceAll("_", " ") : "unknown";
}

/** Every word of an enum but the one that says nothing. */
export function all<E extends number>(of: Record<string, string | number>): E[] {
  return Object.values(of).filter((v): v is E => typeof v === "number" && v !== 0);
}

export const className = (c: Class) => word(Class, c);
export const colourName = (c: Colour) => word(Colour, c);
export const carriedName = (c: Carried) => word(Carried, c);
export const statureName = (s: Stature) => word(Stature, s);
export const purposeName = (p: Purpose) => word(Purpose, p);
export const roleName = (r: Role) => word(Role, r);
export const partName = (p: DescriptionPart) =>
  ({
    [DescriptionPart.UNSPECIFIED]: "unknown",
    [DescriptionPart.UPPER]: "colour above the waist",
    [DescriptionPart.LOWER]: "colour below the waist",
    [DescriptionPart.CARRYING]: "what is carried",
    [DescriptionPart.VEHICLE_COLOUR]: "colour of a vehicle",
    [DescriptionPart.STATURE]: "stature",
  })[p] ?? "unknown";

export const party = (p: Party | undefined) => (p ? plain(`${p.name} (${roleName(p.role)}, ${p.organisation})`) : "the server");

/** Text from elsewhere; what would turn it round or not be seen is shown as <U+202E>. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu, (c) =>
    c === "\n" || c === "\t" || c === "\r" ? " " : `<U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}>`,
  );
}

export const millis = (t: Timestamp | undefined) => (t ? Number(t.seconds) * 1000 + Math.floor(t.nanos / 1e6) : NaN);
export const seconds = (d: Duration | undefined) => (d ? Number(d.seconds) + d.nanos / 1e9 : NaN);

export function stamp(ms: number): Timestamp {
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(Math.floor(ms / 1000)), nanos: (((ms % 1000) + 1000) % 1000) * 1e6 };
}

export function length(s: number): Duration {
  return { $typeName: "google.protobuf.Duration", seconds: BigInt(Math.floor(s)), nanos: Math.round((s % 1) * 1e9) };
}

/** By a word of each, in the order of the words. */
export function grouped<T>(list: T[], of: (one: T) => string): [string, T[]][] {
  const by = new Map<string, T[]>();
  for (const one of list) by.set(of(one), [...(by.get(of(one)) ?? []), one]);
  return [...by].sort(([a], [b]) => (a < b ? -1 : 1));
}

const two = (n: number) => String(n).padStart(2, "0");

/** 2026-03-01 08:30:12 in the browser's time; `fine` adds tenths. */
export function at(t: Timestamp | undefined, fine = false): string {
  const ms = millis(t);
  if (Number.isNaN(ms)) return "unknown time";
  const d = new Date(ms);
  const tenths = fine ? `.${Math.floor(d.getMilliseconds() / 100)}` : "";
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}${tenths}`;
}

/** RFC 3339 in UTC: the record's own words. */
export const utc = (t: Timestamp | undefined) => (t ? new Date(millis(t)).toISOString() : "");

/** Which zone the times of this page are in. */
export function zone(): string {
  const minutes = -new Date().getTimezoneOffset();
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const offset = minutes === 0 ? "UTC" : `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return name && name !== "UTC" ? `${offset}, ${name}` : offset;
}

/** For an `<input type="datetime-local" step="1">`. */
export const asInput = (t: Timestamp | undefined) => (t ? at(t).replace(" ", "T") : "");

/** "3 d 4 h", "12 min", "40 s". */
export function span(s: number): string {
  if (!Number.isFinite(s)) return "unknown";
  const n = Math.max(0, s);
  const hours = Math.floor((n % 86_400) / 3600);
  if (n >= 172_800) return `${Math.floor(n / 86_400)} d${hours ? ` ${hours} h` : ""}`;
  if (n >= 3600) return `${Math.floor(n / 3600)} h ${Math.floor((n % 3600) / 60)} min`;
  if (n >= 60) return `${Math.floor(n / 60)} min ${Math.floor(n % 60)} s`;
  return n >= 10 || Number.isInteger(n) ? `${Math.round(n)} s` : `${n.toFixed(1)} s`;
}

export const count = (n: number | bigint, one: string, many = `${one}s`) => `${n} ${Number(n) === 1 ? one : many}`;

/** Decimal units, as disks are sold. */
export function bytes(n: bigint): string {
  const [size, unit] = ([[1e12, "TB"], [1e9, "GB"], [1e6, "MB"]] as const).find(([size]) => Number(n) >= size) ?? [1, "bytes"];
  return `${(Number(n) / size).toFixed(size === 1 ? 0 : 1)} ${unit}`;
}

export const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

/** 06:00 to 22:00. */
export const minute = (n: number) => `${two(Math.floor(n / 60))}:${two(n % 60)}`;

/** Why a camera can't be searched for a purpose by a case with so many signatures; empty: it can. */
export function keptOut(policy: CameraPolicy | undefined, purpose: Purpose, signatures: number): string {
  if (!policy) return "";
  if (policy.revoked) return "withdrawn by its owner for good";
  if (policy.paused) return "paused by its owner";
  if (!policy.purposes.includes(purpose)) return `not allowed for ${purposeName(purpose)} by its owner`;
  if (policy.sensitive && signatures < 2) return "a sensitive place: needs a second signature";
  return "";
}

/** What a policy allows, in one line. */
export function policyWords(camera: Camera): string[] {
  const p = camera.policy;
  if (!p) return [];
  const words: string[] = [];
  const most = all<Purpose>(Purpose).length;
  words.push(p.purposes.length === most ? "every purpose" : p.purposes.length ? p.purposes.map(purposeName).join(", ") : "no purpose");
  if (p.hours) words.push(`${minute(p.hours.fromMinute)} to ${minute(p.hours.toMinute)} UTC`);
  if (p.retention) words.push(`kept ${span(seconds(p.retention))}`);
  if (p.sensitive) words.push("sensitive place: two signatures");
  return words;
}
