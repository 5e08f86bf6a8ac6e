// What the server keeps and tells by itself: verdicts and the tray, a search that goes on, an inbox that follows.

import { clip, expect, openCase, searchPersons, sightline, test } from "./console";

interface KeptMark {
  sighting: string;
  verdict?: string;
  tray?: boolean;
}
const kept = (id: string) => sightline("mark", "list", "--case", id)["marks"] as KeptMark[];

test("verdicts and the tray outlive the page, and the next search learns from them", async ({ door, page }) => {
  openCase("kept-1");
  const console = await door("investigator");
  await page.goto(await console.first());
  let hits = await searchPersons(page, "kept-1");
  const found = await hits.count();
  expect(found).toBeGreaterThan(5);
  const banner = page.getByRole("region", { name: "The case" });
  await expect(banner).toContainText(/\d+ searches and \d+ results left/);
  await page.keyboard.press("h");
  await page.keyboard.press("t");
  await page.keyboard.press("y");
  // A range has one verdict, and one step takes it back.
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("n");
  await expect(hits).toHaveCount(found - 4);
  await page.keyboard.press("z");
  await expect(hits).toHaveCount(found - 1);
  await page.keyboard.press("n");
  await expect(hits).toHaveCount(found - 2);
  await expect.poll(() => kept("kept-1").map((m) => m.verdict ?? "none").sort()).toEqual(["no", "yes"]);
  await expect.poll(() => kept("kept-1").filter((m) => m.tray).length).toBe(1);

  // Nothing waits, so nobody is asked whether to leave; and nothing is lost by it.
  await page.goto("about:blank");
  await page.goto(await console.another());
  hits = await searchPersons(page, "kept-1");
  await expect(hits).toHaveCount(found - 2);
  await expect(page.getByRole("region", { name: "Tray" })).toContainText("1 possible sighting in the tray");
  await page.keyboard.press("x");
  const tray = page.getByRole("dialog", { name: "Export, sealed" });
  await tray.getByRole("button", { name: /^Show/ }).click();
  await expect(tray.locator("img")).toBeVisible();
  await page.keyboard.press("Escape");

  await page.keyboard.press("m");
  await expect(page.getByRole("button", { name: "like your yes, not like your no", exact: true })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Ranked by 1 yes and 1 no")).toBeVisible();
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  await expect(hits.first()).toContainText("looks like the example");
  const learned = await hits.count();

  // Several examples, and one it is not like.
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  await page.keyboard.press("l");
  await page.keyboard.press("Escape");
  await page.goBack();
  await expect(hits).toHaveCount(learned);
  await page.keyboard.press("h");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("d");
  await expect(page.getByRole("button", { name: /^not like sighting/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  const searches = sightline("log", "list", "--as", "auditor", "--case", "kept-1", "--action", "search")["entries"] as object[];
  // The first, the same after the page was closed, by verdicts, and with one that it is not like: a begin and an end each.
  expect(searches).toHaveLength(8);
});

test("a search that goes on brings what is stored meanwhile, and ends with the page", async ({ as }) => {
  openCase("on-1");
  const page = await as("investigator");
  const hits = await searchPersons(page, "on-1");
  const found = await hits.count();
  await page.keyboard.press("k");
  const looking = page.getByRole("region", { name: "Keep looking" });
  await expect(looking).toContainText("Still looking for person: 0 new possible sightings");
  sightline("archive", "add", clip, "--camera", "hall", "--start", "2026-03-01T09:00:00Z", "--sample-fps", "2", "--wait");
  await expect(looking).toContainText(/[1-9]\d* new possible sighting/);
  await expect(hits.first()).toContainText(/new \d+ hall/);
  await expect(hits.first()).toContainText(/seen .* ago/);
  expect(await hits.count()).toBeGreaterThan(found);
  await hits.first().focus();
  await page.keyboard.press("y");
  await expect.poll(() => kept("on-1").length).toBe(1);
  await page.getByRole("button", { name: "Stop looking" }).click();
  await expect(looking).toContainText("was stopped");
  await page.keyboard.press("k");
  await expect(looking).toContainText("Still looking");
  await page.keyboard.press("g");
  await expect(page.getByRole("heading", { name: "Cases" })).toBeVisible();
  // Both are over on the record: nothing looks on after its page.
  const ends = () =>
    (sightline("log", "list", "--as", "auditor", "--case", "on-1", "--action", "keep_looking")["entries"] as { outcome: string }[]).map((e) => e.outcome);
  await expect.poll(ends).toHaveLength(4);
});

test("a case of another purpose can't keep looking", async ({ as }) => {
  const page = await as("investigator");
  await page.getByRole("link", { name: "sign-1" }).click();
  await expect(page.getByRole("region", { name: "The case" })).toBeVisible();
  await expect(page.getByRole("button", { name: /Keep looking/ })).toHaveCount(0);
});

test("the inbox follows what happens to cases", async ({ as }) => {
  const page = await as("authoriser");
  await expect(page.getByText("follows what happens")).toBeVisible();
  openCase("told-1", false);
  await expect(page.getByRole("heading", { name: "told-1", level: 3 })).toBeVisible();
  sightline("case", "refuse", "told-1", "--reason", "a test");
  await expect(page.getByRole("heading", { name: "told-1", level: 3 })).toHaveCount(0);
});

test("the record is filtered by the server, and a filter can be taken off", async ({ as }) => {
  const page = await as("auditor");
  await expect(page.getByText("loaded.")).toBeVisible();
  await page.getByLabel("Action").selectOption("case.open");
  await expect(page.getByText("loaded that fit.")).toBeVisible();
  const rows = page.getByRole("row").filter({ has: page.getByRole("button", { name: /^entry/ }) });
  for (const text of await rows.allInnerTexts()) expect(text).toContain("case.open");
  await page.getByRole("combobox", { name: /^Role/ }).selectOption("auditor");
  await expect(page.getByText("No entry fits the filters")).toBeVisible();
  await page.getByRole("button", { name: "Take the filters off" }).click();
  await expect(page.getByText(/\d+ entries loaded\./)).toBeVisible();
});
