// Packs what was built, and says how much a browser fetches. Too much is an error: the page has to open at once.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

const MOST = { js: 110_000, css: 15_000 };

const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");
const bytes = { js: 0, css: 0 };
let files = 0;
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name);
  if (!statSync(path).isFile() || name.endsWith(".br")) continue;
  const content = readFileSync(path);
  const packed = brotliCompressSync(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  });
  writeFileSync(`${path}.br`, packed);
  files += 1;
  const kind = name.split(".").pop();
  if (kind in bytes) bytes[kind] += packed.length;
}
console.log(`${files} files; compressed: JavaScript ${bytes.js} bytes, CSS ${bytes.css} bytes`);
for (const [kind, most] of Object.entries(MOST)) {
  if (bytes[kind] > most) throw new Error(`${kind}: ${bytes[kind]} bytes are more than ${most}`);
}
