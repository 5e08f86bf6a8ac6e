// The record, checked in the browser: RFC 6962 hashing, C2SP proofs and signed notes. Nothing here trusts the server.

const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const encoder = new TextEncoder();

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (entry: Uint8Array) => sha256(LEAF, entry);
const nodeHash = (left: Uint8Array, right: Uint8Array) => sha256(NODE, left, right);

const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((v, i) => v === b[i]);

/** One text alone says these bytes: others that a browser would read as well are refused. */
function base64(text: string): Uint8Array {
  const bytes = atob(text);
  if (btoa(bytes) !== text) throw new Error("that is not base64 as it is written");
  return Uint8Array.from(bytes, (c) => c.charCodeAt(0));
}

/** The root over these leaves, in their order. */
export async function root(leaves: Uint8Array[]): Promise<Uint8Array> {
  if (!leaves.length) return sha256();
  // Whole subtrees, the largest first; each as large as its bit in the number of leaves so far.
  const whole: Uint8Array[] = [];
  for (let i = 0; i < leaves.length; i++) {
    let hash = leaves[i]!;
    for (let n = i; n & 1; n >>= 1) hash = await nodeHash(whole.pop()!, hash);
    whole.push(hash);
  }
  let hash = whole.pop()!;
  while (whole.length) hash = await nodeHash(whole.pop()!, hash);
  return hash;
}

/** Whether a leaf is at this place in the tree of that size and root: RFC 9162, 2.1.3.2. */
export async function included(leaf: Uint8Array, index: number, size: number, proof: Uint8Array[], want: Uint8Array): Promise<boolean> {
  if (index >= size) return false;
  let [at, last, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = await nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = await nodeHash(hash, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equal(hash, want);
}

export interface LogKey {
  name: string;
  id: string;
  key: Uint8Array;
}

/** A C2SP verifier key of a log: name+id+key. */
export async function logKey(text: string): Promise<LogKey> {
  const [name = "", id = "", ...rest] = text.trim().split("+");
  const bytes = base64(rest.join("+"));
  const key = bytes.slice(1);
  if (!name || bytes[0] !== 1 || key.length !== 32) throw new Error("that is no log's key: it reads name+id+key");
  const derived = hex((await sha256(encoder.encode(`${name}\n`), bytes)).slice(0, 4));
  if (derived !== id) throw new Error("the log's key does not fit its own id");
  return { name, id, key };
}

export interface Head {
  size: number;
  root: Uint8Array;
}

/** That one key of the log's goes on where another ends. */
interface Introduction {
  from: LogKey;
  to: LogKey;
  size: number;
  root: Uint8Array;
}

const INTRODUCTION = "sightline log key v1";
const LENGTH = 32 + 32 + 8 + 32 + 64 + 64;

async function keyOf(name: string, key: Uint8Array): Promise<LogKey> {
  const bytes = Uint8Array.of(1, ...key);
  const id = hex((await sha256(encoder.encode(`${name}\n`), bytes)).slice(0, 4));
  return { name, id, key };
}

const keyText = (k: LogKey) => `${k.name}+${k.id}+${btoa(String.fromCharCode(1, ...k.key))}`;

async function signed(key: LogKey, signature: Uint8Array, text: string): Promise<boolean> {
  const imported = await crypto.subtle.importKey("raw", key.key as BufferSource, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature as BufferSource, encoder.encode(text));
}

/** How the log's keys introduced one another: each signed by the old key and by the new one, one upon the other. */
async function introductions(name: string, bytes: Uint8Array): Promise<Introduction[]> {
  if (!bytes.length || bytes.length % LENGTH || bytes.length > 100 * LENGTH) throw new Error("a change of the log's key is cut off");
  const all: Introduction[] = [];
  for (let at = 0; at < bytes.length; at += LENGTH) {
    const part = (start: number, length: number) => bytes.slice(at + start, at + start + length);
    const from = await keyOf(name, part(0, 32));
    const to = await keyOf(name, part(32, 32));
    const size = part(64, 8).reduce((n, b) => n * 256 + b, 0);
    const root = part(72, 32);
    const text = `${INTRODUCTION}\n${name}\nfrom ${keyText(from)}\nto ${keyText(to)}\nentries ${size}\nroot ${btoa(String.fromCharCode(...root))}\n`;
    if (!(await signed(from, part(104, 64), text)) || !(await signed(to, part(168, 64), text))) throw new Error("a change of the log's key is not signed by both keys");
    const before = all.at(-1);
    const follows = !before || (before.to.id === from.id && equal(before.to.key, from.key) && size > before.size);
    if (!follows || equal(from.key, to.key) || all.some((one) => equal(one.from.key, to.key))) throw new Error("the changes of the log's key do not follow one upon the other");
    all.push({ from, to, size, root });
  }
  return all;
}

const same = (a: LogKey, b: LogKey) => a.name === b.name && equal(a.key, b.key);

/** The size and root that a checkpoint states, if the log signed it: with this key, or with one that it introduced. */
export async function checkpoint(note: string, key: LogKey): Promise<Head & { by: LogKey }> {
  const chain = await under(note, key.name);
  if (!chain.length) return { ...(await checkpointOf(note, key)), by: key };
  const keys = [chain[0]!.from, ...chain.map((one) => one.to)];
  if (!keys.some((one) => same(one, key))) throw new Error("the key that signed this checkpoint was not introduced by the one that is known");
  const signers = [];
  for (const one of keys) if (ids(note).some(([name, id]) => name === one.name && id === one.id)) signers.push(one);
  const [signer] = signers;
  if (signers.length !== 1 || !signer) throw new Error("the log has not signed this checkpoint");
  const head = await checkpointOf(note, signer);
  const began = chain.find((one) => same(one.to, signer));
  const ended = chain.find((one) => same(one.from, signer));
  const early = began && head.size <= began.size;
  const late = ended && (head.size > ended.size || (head.size === ended.size && !equal(head.root, ended.root)));
  if (early || late) throw new Error("a key of the log signed this checkpoint that had ended, or had not begun");
  return { ...head, by: signer };
}

/** Names and ids of those who signed a note, and what each line has besides. */
function ids(note: string): [string, string, Uint8Array][] {
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw new Error("the checkpoint has no signature");
  return note
    .slice(split + 2)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [dash, name, signature, more] = line.split(" ");
      if (dash !== "\u2014" || !name || !signature || more !== undefined) throw new Error("a signature of the checkpoint is malformed");
      const bytes = base64(signature);
      return [name, hex(bytes.slice(0, 4)), bytes.slice(4)];
    });
}

/** The changes of the log's key that lie under a checkpoint. */
async function under(note: string, name: string): Promise<Introduction[]> {
  const id = hex((await sha256(encoder.encode(`${name}\n`), Uint8Array.of(0xff), encoder.encode(INTRODUCTION))).slice(0, 4));
  const lines = ids(note).filter(([of, line]) => of === name && line === id);
  if (lines.length > 1) throw new Error("the checkpoint has two lists of the log's keys");
  return lines[0] ? introductions(name, lines[0][2]) : [];
}

/** The text of a note that this very key signed. */
async function signedText(note: string, key: LogKey): Promise<string> {
  const split = note.lastIndexOf("\n\n");
  if (split < 0) throw new Error("the checkpoint has no signature");
  const text = note.slice(0, split + 1);
  if (!note.endsWith("\n")) throw new Error("the checkpoint is cut off");
  const lines = note.slice(split + 2, -1).split("\n");
  let found = false;
  for (const line of lines) {
    const [dash, name, signature, more] = line.split(" ");
    if (dash !== "\u2014" || !name || !signature || more !== undefined) throw new Error("a signature of the checkpoint is malformed");
    const bytes = base64(signature);
    if (name !== key.name || hex(bytes.slice(0, 4)) !== key.id) continue;
    if (!(await signed(key, bytes.slice(4), text))) throw new Error("the log's signature does not fit its checkpoint");
    found = true;
  }
  if (!found) throw new Error("the log has not signed this checkpoint");
  return text;
}

/** As {@link checkpoint}, signed with this very key. */
async function checkpointOf(note: string, key: LogKey): Promise<Head> {
  const text = await signedText(note, key);
  const [origin, size, hash, ...rest] = text.split("\n");
  if (rest.length !== 1 || origin !== key.name || !/^(0|[1-9]\d{0,14})$/.test(size ?? "") || !hash) throw new Error("the checkpoint is malformed");
  const rootHash = base64(hash);
  if (rootHash.length !== 32) throw new Error("the checkpoint's root is malformed");
  return { size: Number(size), root: rootHash };
}

/** What the seal of an export says: the digests of its two ends. */
export async function sealed(note: string, key: LogKey): Promise<{ manifest: Uint8Array; receipt: Uint8Array }> {
  const text = await signedText(note, key);
  const says = /^sightline export v1\nmanifest ([0-9a-f]{64})\nreceipt ([0-9a-f]{64})\n$/.exec(text);
  if (!says || ids(note).length !== 1) throw new Error("the seal is none");
  const bytes = (digits: string) => Uint8Array.from(digits.match(/../g)!, (d) => parseInt(d, 16));
  return { manifest: bytes(says[1]!), receipt: bytes(says[2]!) };
}

export interface Receipt {
  index: number;
  proof: Uint8Array[];
  extra: Uint8Array | undefined;
  note: string;
}

/** A C2SP tlog-proof. */
export function receipt(text: string): Receipt {
  const split = text.indexOf("\n\n");
  const lines = text.slice(0, split).split("\n");
  if (split < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("that is no receipt");
  const extra = lines[0]?.startsWith("extra ") ? base64(lines.shift()!.slice(6)) : undefined;
  const index = /^index (0|[1-9]\d{0,14})$/.exec(lines.shift() ?? "");
  if (!index) throw new Error("the receipt names no entry");
  return { index: Number(index[1]), proof: lines.map(base64), extra, note: text.slice(split + 2) };
}

/** Checks a receipt of this entry, and gives the head it is in. */
export async function verify(text: string, key: LogKey, entry: Uint8Array): Promise<{ head: Head; index: number; by: LogKey }> {
  const r = receipt(text);
  const head = await checkpoint(r.note, key);
  if (r.extra && !equal(r.extra, entry)) throw new Error("the receipt is of another entry");
  if (!(await included(await leafHash(entry), r.index, head.size, r.proof, head.root))) {
    throw new Error("the proof does not lead from the entry to the log's root");
  }
  return { head, index: r.index, by: head.by };
}

export { equal };
