// What an investigator looks with beyond words: places, what can be reached, pictures side by side, and what was done before.

import { expect, openCase, searchPersons, sightline, test } from "./console";

test("what was searched is a step away, by plan, around a place and by what can be reached", async ({ as }) => {
  openCase("trail-3");
  const page = await as("investigator");
  const hits = await searchPersons(page, "trail-3");
  const found = await hits.count();
  await page.keyboard.press("h");
  await page.keyboard.press("f");
  await expect(page.getByRole("button", { name: /^reachable from sighting/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(hits.first()).toContainText(/can (hardly )?be reached: \d+ m in/);
  await page.getByLabel("leave out what can't be reached").check();
  await expect(page.getByRole("heading", { name: "Not searched yet" })).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();

  // Each search is there again, and takes nothing from the budget.
  const trail = page.getByRole("navigation", { name: "Searches of this page" });
  await expect(trail.getByRole("link")).toHaveCount(3);
  await trail.getByRole("link").first().click();
  await expect(hits).toHaveCount(found);
  await expect(trail.getByRole("link").first()).toHaveAttribute("aria-current", "step");
  const searches = sightline("log", "list", "--as", "auditor", "--case", "trail-3", "--action", "search")["entries"] as object[];
  expect(searches).toHaveLength(6);

  await page.getByText("All of the time").click();
  await page.getByLabel("Around").selectOption("street");
  await page.getByLabel("metres").fill("120");
  await page.getByRole("button", { name: "Choose 2" }).click();
  await expect(page).toHaveURL(/camera=square&camera=street/);
  const plan = page.getByRole("region", { name: "Search" }).getByRole("img", { name: "Plan of 3 cameras by position, north above" });
  await plan.evaluate((e) => e.scrollIntoView({ block: "center" }));
  const box = (await plan.boundingBox())!;
  await page.mouse.move(box.x + 2, box.y + 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 2, box.y + box.height - 2);
  await page.mouse.up();
  await expect(page).toHaveURL(/camera=hall/);
  await page.getByRole("button", { name: "Every camera" }).click();
  await expect(page).not.toHaveURL(/camera=/);

  // What was done in other pages is on the record.
  await page.locator("summary", { hasText: "Searched and exported before" }).press("Enter");
  await expect(page.getByText(/: searched by person/).first()).toBeVisible();
});

test("the next page of an answer comes below it and takes one of the case's searches", async ({ as }) => {
  openCase("pages-1");
  const page = await as("investigator");
  const hits = await searchPersons(page, "pages-1");
  const all = await hits.count();
  await page.getByLabel("every hit of a pass").check();
  await page.getByText("All of the time").click();
  await page.getByLabel("Hits at most").selectOption("20");
  await page.keyboard.press("/");
  await page.keyboard.press("Enter");
  await expect(hits).toHaveCount(20);
  await expect(page.getByText(/\d+ (or more )?that fit less well/)).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  await page.keyboard.press("e");
  await expect(hits).not.toHaveCount(20);
  // They come one by one.
  await expect.poll(() => hits.count()).toBeGreaterThanOrEqual(all);
  await expect(hits.nth(20)).toBeFocused();
  await expect(hits.nth(20)).toContainText("#21");
  const ids = sightline("log", "list", "--as", "auditor", "--case", "pages-1", "--action", "search")["entries"] as object[];
  expect(ids).toHaveLength(6);
});

test("two hits are compared at one scale, or each as large as it can be", async ({ as }) => {
  openCase("scale-1");
  const page = await as("investigator");
  await searchPersons(page, "scale-1");
  await page.keyboard.press("h");
  for (const key of ["c", "ArrowRight", "c", "ArrowRight", "c", "v"]) await page.keyboard.press(key);
  const pictures = page.getByRole("dialog", { name: "3 possible sightings side by side" }).locator("img");
  await expect(pictures).toHaveCount(3);
  const zooms = () => pictures.evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height / (one as HTMLImageElement).naturalHeight));
  await expect.poll(async () => Math.max(...(await zooms())) - Math.min(...(await zooms()))).toBeLessThan(0.01);
  await page.getByLabel("at one scale").uncheck();
  const heights = () => pictures.evaluateAll((all) => new Set(all.map((one) => Math.round(one.getBoundingClientRect().height))).size);
  await expect.poll(heights).toBe(1);
});

test("the tray shows what was exported before, with its receipt", async ({ as }, info) => {
  openCase("before-1");
  const hits = sightline("search", "--case", "before-1", "--class", "person", "--limit", "1")["hits"] as { sighting: string }[];
  sightline("export", "--case", "before-1", "--sighting", hits[0]!.sighting, "--out", info.outputPath("before.zip"));
  sightline("mark", "set", "--case", "before-1", "--tray", hits[0]!.sighting);
  const page = await as("investigator");
  await page.getByRole("link", { name: "before-1" }).click();
  await page.getByRole("button", { name: /^Export, sealed/ }).click();
  const tray = page.getByRole("dialog", { name: "Export, sealed" });
  await expect(tray).toContainText(/: exported, 1 possible sighting/);
  const saved = page.waitForEvent("download");
  await tray.getByRole("button", { name: /^Receipt of entry/ }).click();
  const file = info.outputPath("before.tlog-proof");
  await (await saved).saveAs(file);
  expect(sightline("verify", file)).toMatchObject({ verified: true });
});

test("a case covers an area, and says which cameras hang there now", async ({ as }) => {
  const page = await as("investigator");
  await page.keyboard.press("n");
  await page.getByLabel("Legal basis").fill("order 8");
  await page.getByLabel("Why the search is necessary").fill("a child is missing");
  await page.getByText("Or every camera of an area").click();
  await page.getByLabel("Latitude").fill("51.5007");
  await page.getByLabel("Longitude").fill("-0.1246");
  await page.getByLabel("Metres around it").fill("120");
  await expect(page.getByText("Now: square, street.")).toBeVisible();
  await page.getByLabel("Seen from").fill("2026-03-01T08:00:00");
  await page.getByLabel("until").fill("2026-03-01T10:00:00");
  await page.getByRole("button", { name: "Ask for the case" }).click();
  await expect(page.getByText("Nobody has authorised this case yet. It permits no search.")).toBeVisible();
  await expect(page.getByRole("region", { name: "The case" })).toContainText("2 cameras");
});
