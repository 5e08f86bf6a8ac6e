// A sighting's time comes: it is gone, and the auditor sees that, with a proof that is checked in the browser.

import { ListAuditResponseSchema } from "../src/gen/sightline/v1/admin_pb.js";
import { GetReceiptResponseSchema } from "../src/gen/sightline/v1/log_pb.js";
import { ListDeletionsResponseSchema } from "../src/gen/sightline/v1/retention_pb.js";
import { everyLook, expect, sightline, sweep, tabTo, test } from "./console";
import { meddle } from "./wire";

const VERIFY = /^Verify the deletion of 2026-03-01/;

test("a deletion and its proof are verified in the browser, and a wrong proof is named as wrong", async ({ as }, info) => {
  const gone = await sweep("yard");
  const page = await as("auditor");
  await page.keyboard.press("d");
  const row = page.getByRole("row", { name: /^2026-03-01/ }).first();
  await expect(row).toContainText(`${gone}`);
  await expect(row).toContainText(`0 of ${gone} found`);
  await everyLook(page);
  const verify = async () => {
    await tabTo(page, VERIFY);
    await page.keyboard.press("Enter");
    return page.getByRole("dialog", { name: "Deletion of 2026-03-01" });
  };
  let dialog = await verify();
  await expect(dialog.getByRole("status")).toContainText(/Verified in this browser: entry \d+ says all of this/);
  await expect(dialog).toContainText(`${gone} sighting`);
  await expect(dialog).toContainText("of yard");
  await everyLook(page);
  const saved = page.waitForEvent("download");
  await tabTo(page, "Save the receipt");
  await page.keyboard.press("Enter");
  const file = info.outputPath("deletion.tlog-proof");
  await (await saved).saveAs(file);
  expect(sightline("verify", file)).toMatchObject({ verified: true, content: { action: "retention.delete" } });
  await page.keyboard.press("Escape");
  await expect(row).toContainText("holds");
  await page.setViewportSize({ width: 320, height: 800 });
  await everyLook(page);

  // A proof of which one hash is another.
  const bend = (text: string) => text.replace(/^(index \d+\n.)(.)/m, (_, before: string, c: string) => before + (c === "A" ? "B" : "A"));
  await meddle(page, "LogService/GetReceipt", GetReceiptResponseSchema, (m) => (m.receipt = bend(m.receipt)));
  dialog = await verify();
  await expect(dialog.getByRole("alert")).toContainText("The proof is wrong: the proof does not lead from the entry to the log's root");
  await everyLook(page);
  await page.keyboard.press("Escape");
  await expect(row).toContainText("wrong");
  await page.unrouteAll();

  // A list that says more than the log signed, and then an entry that says so too.
  await meddle(page, "RetentionService/ListDeletions", ListDeletionsResponseSchema, (m) => {
    m.deletions[0]!.sightings += 1n;
    m.deletions[0]!.shares[0]!.sightings += 1n;
  });
  await page.keyboard.press("r");
  await expect(row).toContainText(`${gone + 1}`);
  dialog = await verify();
  await expect(dialog.getByRole("alert")).toContainText(`The proof is wrong: sightings: the list says ${gone + 1}, the signed entry ${gone}`);
  await page.keyboard.press("Escape");
  await meddle(page, "AdminService/ListAudit", ListAuditResponseSchema, (m) => {
    const text = new TextDecoder().decode(m.entries[0]!.entry).replace(`"yard":${gone}`, `"yard":${gone + 1}`);
    m.entries[0]!.entry = new TextEncoder().encode(text);
  });
  dialog = await verify();
  await expect(dialog.getByRole("alert")).toContainText("The proof is wrong: the receipt is of another entry");
  await page.keyboard.press("Escape");
  await page.unrouteAll();

  // What was not there to be looked at is not called wrong.
  await page.route("**/*LogService/GetReceipt", (route) => route.abort());
  await page.keyboard.press("r");
  await expect(row).toContainText(`0 of ${gone} found`);
  dialog = await verify();
  await expect(dialog.getByRole("alert")).toContainText("Not verified: the connection was lost");
});
