// The page's own reading of a grant, which it needs at the server's door, says what the program's says, and refuses what that refuses.

import { readFileSync } from "node:fs";
import { Class, DescriptionPart, Purpose, Role } from "../src/gen/sightline/v1/vocabulary_pb.js";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { readGrantBytes } from "../src/lib/grant";
import { expect, needed, test } from "./console";

interface Line {
  case: string;
  bytes: string;
  says: Record<string, unknown> | null;
}

const micros = (t: Timestamp | undefined) => String((t?.seconds ?? 0n) * 1_000_000n + BigInt((t?.nanos ?? 0) / 1000));
const word = (of: Record<number, string>, value: number) => of[value]?.toLowerCase();

function read(line: Line): Record<string, unknown> | null {
  let c;
  try {
    c = readGrantBytes(line.case, Uint8Array.from(Buffer.from(line.bytes, "hex")));
  } catch {
    return null;
  }
  const { area, window } = c.scope!;
  return {
    case: c.id,
    purpose: word(Purpose, c.purpose),
    legal_basis: c.legalBasis,
    reason: c.reason,
    requester: `sightline://${c.requester!.organisation}/${word(Role, c.requester!.role)}/${c.requester!.name}`,
    cameras: c.scope!.cameraIds,
    agencies: c.scope!.agencyIds,
    from: micros(window?.from),
    to: micros(window?.to),
    classes: c.scope!.classes.map((v) => word(Class, v)),
    parts: c.scope!.parts.map((v) => word(DescriptionPart, v)),
    queries: c.budget!.queries,
    results: c.budget!.results,
    opened: micros(c.created),
    expires: micros(c.expires),
    emergency: c.emergency,
    area: area ? [Math.round(area.centre!.latitude * 1e6), Math.round(area.centre!.longitude * 1e6), area.radiusMetres] : null,
  };
}

test("a thousand grants, and the same with a bit changed, say what the program says", () => {
  const lines = readFileSync(needed("SIGHTLINE_GRANTS"), "utf8").trim().split("\n").map((text) => JSON.parse(text) as Line);
  expect(lines).toHaveLength(2000);
  expect(lines.filter((line) => line.says).length).toBeGreaterThan(1000);
  expect(lines.filter((line) => !line.says).length).toBeGreaterThan(200);
  for (const line of lines) expect(read(line), line.bytes).toEqual(line.says);
});
