// An entry of the record: what its bytes say, and its proof, checked here.

import type { AuditRecord } from "../gen/sightline/v1/admin_pb.js";
import type { Deletion } from "../gen/sightline/v1/retention_pb.js";
import { admin, log } from "./api";
import { me } from "./me.svelte";
import { logKey, verify } from "./merkle";
import { millis } from "./words";

export interface Content {
  detail?: Record<string, unknown>;
  phase?: string | { complete?: { begin: number; outcome: string }; denied?: { code: string } };
  [other: string]: unknown;
}

/** What the bytes of an entry say, which are what the log signed. */
export function content(e: AuditRecord): Content {
  try {
    return JSON.parse(new TextDecoder().decode(e.entry)) as Content;
  } catch {
    return {};
  }
}

export async function entryAt(seq: bigint): Promise<AuditRecord> {
  const [entry] = (await admin.listAudit({ afterSeq: seq - 1n, limit: 1 })).entries;
  if (!entry || entry.seq !== seq) throw new Error(`the server has no entry ${seq}`);
  return entry;
}

/** The key that counts, and whether it came from this machine, not from the server that is checked. */
export async function keyOfLog(named: string) {
  const ours = me.answer?.local.log_key ?? "";
  return { key: await logKey(ours || named), ours: !!ours };
}

export interface Proof {
  /** The receipt, to save. */
  text: string;
  /** How many entries the log has that was signed. */
  size: number;
  ours: boolean;
}

/** The proof that this entry is in the log that the log signed; an error says what of it is wrong. */
export async function proven(e: AuditRecord): Promise<Proof> {
  const proof = await log.getReceipt({ auditSeq: e.seq });
  const { key, ours } = await keyOfLog(proof.logKey);
  const { head, index } = await verify(proof.receipt, key, e.entry);
  if (BigInt(index) + 1n !== e.seq) throw new Error("the receipt is of another entry");
  return { text: proof.receipt, size: head.size, ours };
}

/** As `access::Deletion` is written into an entry. */
interface Signed {
  day: string;
  whole: boolean;
  stored_before: Record<string, string>;
  cameras?: Record<string, number>;
  held?: number;
  ids: string;
  probe?: { ids: number; vectors: number; found: number };
}

/** Where the list says something else of a deletion than the entry that is to prove it; empty: nowhere. */
export function differences(d: Deletion, e: AuditRecord): string[] {
  const { action, phase, detail } = content(e);
  const signed = detail?.["deletion"] as Signed | undefined;
  const ended = typeof phase === "object" && phase.complete?.outcome === "done";
  if (action !== "retention.delete" || !ended || !signed) return [`entry ${e.seq} ends no deletion`];
  const pairs: [string, unknown, unknown][] = [
    ["day", d.day, signed.day],
    ["the whole day", d.whole, signed.whole],
    ["sightings", d.sightings, Object.values(signed.cameras ?? {}).reduce((n, of) => n + of, 0)],
    ["cameras", d.shares.length, Object.keys(signed.cameras ?? {}).length],
    ["kept by a hold", d.held, signed.held ?? 0],
    ["digest of the ids", d.idsSha256, signed.ids],
    ["looked for by id", d.probe?.ids, signed.probe?.ids],
    ["looked for by vector", d.probe?.vectors, signed.probe?.vectors],
    ["found afterwards", d.probe?.found, signed.probe?.found],
  ];
  for (const { cameraId, sightings, storedBefore } of d.shares) {
    pairs.push([`sightings of ${cameraId}`, sightings, signed.cameras?.[cameraId]]);
    pairs.push([`what ${cameraId} had stored before`, millis(storedBefore), Date.parse(signed.stored_before[cameraId] ?? "")]);
  }
  const differ = pairs.filter(([, list, entry]) => String(list) !== String(entry));
  return differ.map(([what, list, entry]) => `${what}: the list says ${String(list)}, the signed entry ${String(entry)}`);
}
