// An export as one ZIP file, to the byte as `sightline export` writes it, so that `sightline verify` takes it: nothing
// compressed, no times, the files in the order of their names.

const NO_DATE = 0x21;

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

export function pack(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const encoder = new TextEncoder();
  const bytewise = (a: Uint8Array, b: Uint8Array) => {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
    return a.length - b.length;
  };
  const list = [...files].map(([path, bytes]) => ({ path: encoder.encode(path), bytes })).sort((a, b) => bytewise(a.path, b.path));
  const size = list.reduce((n, f) => n + 30 + 46 + 2 * f.path.length + f.bytes.length, 22);
  const zip = new Uint8Array(size);
  const view = new DataView(zip.buffer);
  let at = 0;
  const u16 = (...values: number[]) => values.forEach((v) => (view.setUint16(at, v, true), (at += 2)));
  const u32 = (...values: number[]) => values.forEach((v) => (view.setUint32(at, v, true), (at += 4)));
  const put = (bytes: Uint8Array) => (zip.set(bytes, at), (at += bytes.length));
  const central: { crc: number; size: number; path: Uint8Array; offset: number }[] = [];
  for (const { path, bytes } of list) {
    const crc = crc32(bytes);
    central.push({ crc, size: bytes.length, path, offset: at });
    u32(0x04034b50);
    u16(10, 0, 0, 0, NO_DATE);
    u32(crc, bytes.length, bytes.length);
    u16(path.length, 0);
    put(path);
    put(bytes);
  }
  const begin = at;
  for (const entry of central) {
    u32(0x02014b50);
    u16(10, 10, 0, 0, 0, NO_DATE);
    u32(entry.crc, entry.size, entry.size);
    u16(entry.path.length, 0, 0, 0, 0);
    u32(0, entry.offset);
    put(entry.path);
  }
  const end = at;
  u32(0x06054b50);
  u16(0, 0, list.length, list.length);
  u32(end - begin, begin);
  u16(0);
  return zip;
}

/** Gives the person a file. */
export function save(name: string, bytes: Uint8Array | string, type = "application/octet-stream") {
  const url = URL.createObjectURL(new Blob([bytes as BlobPart], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
