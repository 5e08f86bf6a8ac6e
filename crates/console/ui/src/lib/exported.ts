// What can be checked of an export with the log's key alone, here in the page: where no program of the person's own does it. The
// signatures under the case, and what the record commits to of each sighting, `sightline verify` checks.

import { equal, logKey, receipt, sealed, verify } from "./merkle";
import { hex } from "./words";

const SEAL = "seal.txt";
const MANIFEST = "manifest.json";
const RECEIPT = "receipt.tlog-proof";

interface Manifest {
  case: { grant: { case: string } };
  exported: { by: unknown; entry: number };
  sightings: { crop: string }[];
  record: { entry: number; action: string; outcome: string; receipt: string }[];
  files: { path: string; bytes: number; sha256: string }[];
}
interface Entry {
  action?: string;
  case?: string;
  caller?: unknown;
  phase?: string | { complete?: { begin: number; outcome: string } };
  detail?: { export_sha256?: string; results?: number };
}

export interface CheckedFiles {
  log: string;
  files: number;
  /** The entry that ended it, and how many the log had. */
  entry: number;
  entries: number;
  manifestSha256: string;
}

const text = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const digest = async (bytes: Uint8Array) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as BufferSource));

/** The first thing that does not fit is thrown. */
export async function checkFiles(files: ReadonlyMap<string, Uint8Array>, caseId: string, keyText: string): Promise<CheckedFiles> {
  const key = await logKey(keyText);
  const get = (path: string) => {
    const bytes = files.get(path);
    if (!bytes) throw new Error(`${path} is missing`);
    return bytes;
  };
  const read = async (path: string) => {
    const proof = text(get(path));
    const entry = receipt(proof).extra;
    if (!entry) throw new Error(`${path} holds no entry`);
    const { head, index, by } = await verify(proof, key, entry);
    return { entry: JSON.parse(text(entry)) as Entry, number: index + 1, head, by };
  };
  const end = await read(RECEIPT);
  const seal = await sealed(text(get(SEAL)), end.by);
  for (const [path, said] of [[MANIFEST, seal.manifest], [RECEIPT, seal.receipt]] as const) {
    if (!equal(await digest(get(path)), said)) throw new Error(`${path} is not as it was exported`);
  }
  const manifest = JSON.parse(text(get(MANIFEST))) as Manifest;
  const listed = new Set([SEAL, MANIFEST, RECEIPT]);
  for (const { path, bytes, sha256 } of manifest.files) {
    const file = get(path);
    if (file.length !== bytes || hex(await digest(file)) !== sha256) throw new Error(`${path} is not as it was exported`);
    listed.add(path);
  }
  for (const path of files.keys()) if (!listed.has(path)) throw new Error(`${path} was not exported`);
  for (const { crop } of manifest.sightings) if (!listed.has(crop)) throw new Error(`${crop} is missing`);

  const { entry } = end;
  const complete = typeof entry.phase === "object" ? entry.phase.complete : undefined;
  const fits =
    entry.action === "export" &&
    complete?.outcome === "done" &&
    complete.begin === manifest.exported.entry &&
    entry.case === caseId &&
    manifest.case.grant.case === caseId &&
    JSON.stringify(entry.caller) === JSON.stringify(manifest.exported.by) &&
    entry.detail?.export_sha256 === hex(seal.manifest) &&
    entry.detail.results === manifest.sightings.length;
  if (!fits) throw new Error("the record says something else about this export");
  for (const line of manifest.record) {
    const of = await read(line.receipt);
    if (of.number !== line.entry || of.entry.case !== caseId || of.entry.action !== line.action) throw new Error(`${line.receipt} is of another entry`);
  }
  if (!manifest.record.some((l) => l.entry === manifest.exported.entry && l.action === "export")) throw new Error("the entry that permitted it is another");
  return { log: key.name, files: files.size, entry: end.number, entries: end.head.size, manifestSha256: hex(seal.manifest) };
}
