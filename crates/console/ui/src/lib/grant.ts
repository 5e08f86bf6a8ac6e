// What the bytes of a grant say, read here where no program of the person's own does it: at the server's door. As
// `Grant::from_bytes` reads them: what that refuses is refused.

import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { CaseSchema, type Case } from "../gen/sightline/v1/cases_pb.js";
import { Class, DescriptionPart, Purpose, Role } from "../gen/sightline/v1/vocabulary_pb.js";
import { word } from "./words";

const DOMAINS = ["sightline grant v1\n", "sightline grant v2\n"];

/** The member of an enum by the word that a grant has for it. */
function member<E extends number>(of: Record<string, string | number>, text: string): E {
  const found = Object.values(of).find((v): v is E => typeof v === "number" && v !== 0 && word(of as Record<number, string>, v).replaceAll(" ", "_") === text);
  if (found === undefined) throw new Error(`${text} is no word of a grant`);
  return found;
}

class Reader {
  #at = 0;
  #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly more: boolean;

  constructor(private bytes: Uint8Array) {
    const begin = this.#text.decode(this.take(19));
    if (!DOMAINS.includes(begin)) throw new Error("these bytes are no grant");
    this.more = begin === DOMAINS[1];
  }

  take(n: number): Uint8Array {
    if (this.#at + n > this.bytes.length) throw new Error("the grant ends too early");
    return this.bytes.subarray(this.#at, (this.#at += n));
  }
  #view(n: number): DataView {
    const part = this.take(n);
    return new DataView(part.buffer, part.byteOffset, n);
  }
  u32 = () => this.#view(4).getUint32(0);
  i64 = () => this.#view(8).getBigInt64(0);
  text = () => this.#text.decode(this.take(this.u32()));
  list(): string[] {
    const list: string[] = [];
    for (let n = this.u32(); n > 0; n--) list.push(this.text());
    return list;
  }
  /** Each once, in their order: a set has one way to be written. */
  set<T>(of: (text: string) => T, less: (a: T, b: T) => boolean): T[] {
    const list = this.list().map(of);
    if (list.some((item, i) => i > 0 && !less(list[i - 1]!, item))) throw new Error("a list of the grant is out of order");
    return list;
  }
  end() {
    if (this.#at !== this.bytes.length) throw new Error("more follows the grant");
  }
}

const ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
/** The years 1 to 9999, in microseconds. */
const [EARLIEST, LATEST] = [-62_135_596_800n * 1_000_000n, 253_402_300_799n * 1_000_000n];

function id(text: string): string {
  if (!ID.test(text)) throw new Error("an id of the grant is none");
  return text;
}

function moment(us: bigint): Timestamp {
  if (us < EARLIEST || us > LATEST) throw new Error("a time of the grant is none");
  const within = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n;
  return { $typeName: "google.protobuf.Timestamp", seconds: (us - within) / 1_000_000n, nanos: Number(within) * 1000 };
}

function party(uri: string) {
  const [, organisation = "", role = "", name = ""] = /^sightline:\/\/([^/]*)\/([^/]*)\/([^/]*)$/.exec(uri) ?? [];
  if (!NAME.test(organisation) || !NAME.test(name)) throw new Error("who asks for it is nobody");
  return { name, organisation, role: member<Role>(Role, role) };
}

export function readGrantBytes(caseId: string, bytes: Uint8Array): Case {
  const r = new Reader(bytes);
  const named = id(r.text());
  if (named !== caseId) throw new Error(`these bytes are of the case ${named}, not of ${caseId}`);
  const purpose = member<Purpose>(Purpose, r.text());
  const [legalBasis, reason] = [r.text(), r.text()];
  const requester = party(r.text());
  const text = (a: string, b: string) => a < b;
  const number = (a: number, b: number) => a < b;
  const cameraIds = r.set(id, text);
  const agencyIds = r.set(id, text);
  const [from, to] = [r.i64(), r.i64()];
  if (from >= to) throw new Error("the grant covers no time");
  const classes = r.set((t) => member<Class>(Class, t), number);
  const budget = { queries: r.u32(), results: r.u32() };
  const [created, expires] = [r.i64(), r.i64()];
  const emergency = r.list();
  if (emergency.length > 1) throw new Error("the grant has two reasons not to wait");
  let area: { centre: { latitude: number; longitude: number }; radiusMetres: number } | undefined;
  let parts: DescriptionPart[] = [];
  if (r.more) {
    const has = r.u32();
    if (has > 1) throw new Error("the grant's area is none");
    if (has) {
      const [latitude, longitude] = [Number(r.i64()), Number(r.i64())];
      if (Math.abs(latitude) > 90e6 || Math.abs(longitude) > 180e6) throw new Error("the grant's area is nowhere");
      area = { centre: { latitude: latitude / 1e6, longitude: longitude / 1e6 }, radiusMetres: r.u32() };
    }
    parts = r.set((t) => member<DescriptionPart>(DescriptionPart, t), number);
    if (!area && !parts.length) throw new Error("the grant is written in two ways");
  }
  r.end();
  return create(CaseSchema, {
    id: named,
    purpose,
    legalBasis,
    reason,
    requester,
    scope: { cameraIds, agencyIds, window: { from: moment(from), to: moment(to) }, classes, area, parts },
    budget,
    created: moment(created),
    expires: moment(expires),
    emergency: emergency[0] ?? "",
  });
}
