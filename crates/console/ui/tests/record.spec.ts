// The browser's own check of the record believes what `sightline verify` believes, and nothing else.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkpoint, logKey, receipt, root, verify } from "../src/lib/merkle";
import { expect, home, sightline, test } from "./console";

test("a receipt is believed, and one with any character changed is not", async ({}, info) => {
  const key = await logKey(readFileSync(join(home, "pki/log.pub"), "utf8"));
  const file = info.outputPath("5.tlog-proof");
  sightline("log", "receipt", "5", "--out", file, "--as", "auditor");
  const text = readFileSync(file, "utf8");
  const entry = receipt(text).extra!;
  expect((await verify(text, key, entry)).index).toBe(4);

  let believed = 0;
  for (let at = 0; at < text.length; at++) {
    const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
    believed += await verify(changed, key, entry).then(
      () => 1,
      () => 0,
    );
  }
  expect(believed).toBe(0);
  for (let at = 0; at < entry.length; at++) {
    const other = entry.slice();
    other[at]! ^= 1;
    await expect(verify(text.replace(/^extra .*\n/m, ""), key, other)).rejects.toThrow("does not lead");
  }
});

test("the root of one, two and many leaves is that of RFC 6962", async () => {
  const leaves = Array.from({ length: 8 }, (_, i) => new Uint8Array(32).fill(i));
  const node = async (a: Uint8Array, b: Uint8Array) => new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.of(1, ...a, ...b)));
  const naive = async (list: Uint8Array[]): Promise<Uint8Array> => {
    if (list.length === 1) return list[0]!;
    let half = 1;
    while (half * 2 < list.length) half *= 2;
    return node(await naive(list.slice(0, half)), await naive(list.slice(half)));
  };
  for (let n = 1; n <= leaves.length; n++) expect(await root(leaves.slice(0, n))).toEqual(await naive(leaves.slice(0, n)));
});

// Written by the Rust side, which believes the same: crates/access/tests/access/change.rs.
test("a log's keys are believed as they introduced one another, and no other key", async () => {
  const changed = JSON.parse(readFileSync(join(import.meta.dirname, "changed-keys.json"), "utf8")) as {
    keys: string[];
    believed: boolean[][];
    notes: string[];
    receipt: string;
  };
  for (const [of, text] of changed.keys.entries()) {
    const key = await logKey(text);
    for (const [at, note] of changed.notes.entries()) {
      const believed = await checkpoint(note, key).then(
        () => true,
        () => false,
      );
      expect(believed, `note ${at} by key ${of}`).toBe(changed.believed[of]![at]);
    }
    const entry = receipt(changed.receipt).extra!;
    expect((await verify(changed.receipt, key, entry)).index).toBe(2);
  }
});
