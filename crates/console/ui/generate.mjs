// Makes the TypeScript of proto/ from the descriptor set that the Rust side commits, so that no compiler of .proto is needed.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "src/gen");
const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(here, "../../proto/src/gen/sightline.v1.bin")));
const request = create(CodeGeneratorRequestSchema, {
  fileToGenerate: set.file.map((f) => f.name).filter((n) => n.startsWith("sightline/")),
  parameter: "target=ts,import_extension=js",
  protoFile: set.file,
});
const plugin = join(here, "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es");
const run = spawnSync(process.execPath, [plugin], { input: toBinary(CodeGeneratorRequestSchema, request), maxBuffer: 1 << 26 });
if (run.status !== 0) throw new Error(`protoc-gen-es: ${run.stderr}`);
const response = fromBinary(CodeGeneratorResponseSchema, run.stdout);
if (response.error) throw new Error(response.error);
rmSync(out, { recursive: true, force: true });
for (const file of response.file) {
  const path = join(out, file.name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, file.content);
}
