// Each role's main job, by keyboard alone.

import { expect, sightline, tabTo, test } from "./console";

test("an investigator finds, judges and takes sightings out, sealed", async ({ as }, info) => {
  const page = await as("investigator");
  await tabTo(page, "found-1", "link");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "What are you looking for?" })).toBeVisible();
  await expect(page.getByRole("region", { name: "The case" })).toContainText("1 left out");

  await page.keyboard.press("/");
  for (const word of ["person", "red above", "black below"]) {
    await page.keyboard.type(word);
    await page.keyboard.press("Enter");
  }
  await expect(page).toHaveURL(/word=class\.1&word=upper\.4&word=lower\.1/);
  await page.keyboard.press("Enter");
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  const hits = page.getByRole("listbox", { name: "Hits" }).getByRole("option");
  const found = await hits.count();
  expect(found).toBeGreaterThan(2);
  await expect(hits.first()).toContainText("sure");
  await expect(hits.first().locator("img")).toBeVisible();

  // Verdicts: on to the next by itself, and back.
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  await expect(hits.first()).toBeFocused();
  await page.keyboard.press("y");
  await page.keyboard.press("n");
  await expect(hits).toHaveCount(found - 2);
  await page.keyboard.press("z");
  await expect(hits).toHaveCount(found - 1);
  await page.keyboard.press("s");
  await expect(page).toHaveURL(/sort=time/);
  await page.keyboard.press("3");
  await expect(page).toHaveURL(/size=l/);

  // Side by side.
  await page.keyboard.press("c");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("c");
  await page.keyboard.press("v");
  await expect(page.getByRole("dialog", { name: "2 possible sightings side by side" })).toContainText("Why it matched");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toContainText("takes the last verdict back");
  await page.keyboard.press("Escape");

  // Back finds what was found, and asks nothing of the case's budget.
  await page.keyboard.press("l");
  await expect(page.getByRole("heading", { name: "Not searched yet" })).toBeVisible();
  await page.goBack();
  await expect(hits).toHaveCount(found - 1);

  // Out, sealed; the file and its receipt are what `sightline verify` believes.
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  await page.keyboard.press("t");
  const download = page.waitForEvent("download");
  await page.keyboard.press("x");
  await page.keyboard.press("Enter");
  const zip = info.outputPath("export.zip");
  await (await download).saveAs(zip);
  await expect(page.getByText("Your own program checked it before it was saved")).toBeVisible();
  expect(sightline("verify", zip)).toMatchObject({ verified: true, case: "found-1", sightings: 1 });
  const second = page.waitForEvent("download");
  await tabTo(page, "Save its receipt");
  await page.keyboard.press("Enter");
  const receipt = info.outputPath("export.tlog-proof");
  await (await second).saveAs(receipt);
  expect(sightline("verify", receipt)).toMatchObject({ verified: true });
});

test("an investigator looks for more like a sighting, and a file that is no picture is refused here", async ({ as }) => {
  const page = await as("investigator");
  await tabTo(page, "found-1", "link");
  await page.keyboard.press("Enter");
  await expect(page.getByText("What are you looking for?")).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("person");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  const hits = page.getByRole("listbox", { name: "Hits" }).getByRole("option");
  await expect(hits.first()).toContainText("is a person");
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  await expect(hits.first()).toBeFocused();
  await page.keyboard.press("l");
  await expect(page.getByRole("button", { name: /^like sighting/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(hits.first()).toContainText("looks like the example");
  const file = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") };
  await page.getByLabel("Example picture").setInputFiles(file);
  await expect(page.getByRole("alert")).toContainText("neither a JPEG nor a PNG");
  await page.getByLabel("Example picture").setInputFiles({ ...file, name: "broken.png", mimeType: "image/png" });
  await expect(page.getByRole("alert")).toContainText("can't be read");
});

test("an investigator asks for a case, and it permits nothing yet", async ({ as }) => {
  const page = await as("investigator");
  await expect(page.getByRole("heading", { name: "Cases" })).toBeVisible();
  await page.keyboard.press("n");
  await tabTo(page, "Legal basis", "textbox");
  await page.keyboard.type("order 7");
  await page.keyboard.press("Tab");
  await page.keyboard.type("a child is missing");
  await tabTo(page, /Town council/, "checkbox");
  await page.keyboard.press("Space");
  // A field of date and time is many: the way a person fills it in is the browser's.
  await page.getByLabel("Seen from").fill("2026-03-01T08:00:00");
  await page.getByLabel("until").fill("2026-03-01T10:00:00");
  await tabTo(page, "Ask for the case");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nobody has authorised this case yet. It permits no search.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Search", exact: true })).toBeDisabled();
});

test("an authoriser signs what the bytes say, and refuses with a reason", async ({ as }) => {
  const page = await as("authoriser");
  const names = page.getByRole("heading", { level: 3 });
  // Emergencies come first.
  await expect(names.first()).toHaveText("urgent-1");
  await tabTo(page, "sign-1", "link");
  await page.keyboard.press("Enter");
  await expect(page.getByText("a bag was left in the hall")).toBeVisible();
  await expect(page.getByText(/Fewer than [\d,]+ sightings/)).toBeVisible();
  const { grant_sha256 } = sightline("case", "show", "sign-1");
  await expect(page.getByText(String(grant_sha256))).toBeVisible();
  await page.keyboard.press("s");
  await expect(page.getByRole("dialog", { name: "Sign case sign-1?" })).toContainText("authoriser");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Signed. The case permits searches until")).toBeVisible();
  expect(sightline("case", "show", "sign-1")).toMatchObject({ state: "authorised" });

  await tabTo(page, "Inbox", "link");
  await page.keyboard.press("Enter");
  await tabTo(page, "refuse-1", "link");
  await page.keyboard.press("Enter");
  await expect(page.getByText("What the bytes say")).toBeVisible();
  await page.keyboard.press("f");
  await page.keyboard.type("no ground for it");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(page.getByText("This case is over: no ground for it.")).toBeVisible();
  expect(sightline("case", "show", "refuse-1")).toMatchObject({ state: "closed", ending: "refused" });
});

test("a key that follows Escape at once opens the next dialog, which stays", async ({ as }) => {
  const page = await as("authoriser");
  await page.getByRole("link", { name: "urgent-1" }).click();
  await expect(page.getByText("What the bytes say")).toBeVisible();
  for (let i = 0; i < 10; i++) {
    for (const [key, title] of [["s", "Sign case urgent-1?"], ["f", "Refuse case urgent-1?"], ["f", "Refuse case urgent-1?"]] as const) {
      await page.keyboard.press(key);
      await expect(page.getByRole("dialog", { name: title })).toBeVisible();
      await page.keyboard.press("Escape");
    }
  }
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

test("an owner pauses a camera, changes its policy, and sees who looked", async ({ as }) => {
  const page = await as("camera-owner");
  await tabTo(page, "street", "link");
  await page.keyboard.press("p");
  await expect(page.getByRole("row", { name: /street/ })).toContainText("paused");
  expect(sightline("camera", "list")["cameras"]).toContainEqual(expect.objectContaining({ id: "street", paused: true }));
  await tabTo(page, "street", "link");
  await page.keyboard.press("p");
  await expect(page.getByRole("row", { name: /street/ })).toContainText("can be searched");
  await tabTo(page, "street", "link");
  await page.keyboard.press("e");
  await tabTo(page, "disaster", "checkbox");
  await page.keyboard.press("Space");
  await tabTo(page, "Change it");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("row", { name: /street/ })).toContainText("missing person, serious incident");
  // What a change would take out of open cases is shown first.
  await tabTo(page, "street", "link");
  await page.keyboard.press("e");
  await tabTo(page, "missing person", "checkbox");
  await page.keyboard.press("Space");
  await tabTo(page, "Change it");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toContainText(/found-1 \(missing person, ends .*: the whole camera/);
  await expect(page.getByRole("dialog")).toContainText("Nothing was changed yet.");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("row", { name: /street/ })).toContainText("missing person, serious incident");
  await tabTo(page, "street", "link");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("row", { name: /search/ }).first()).toContainText("found-1");
});

test("an auditor verifies the whole record in the browser, and follows a case end to end", async ({ as }, info) => {
  const page = await as("auditor");
  await expect(page.getByText("loaded.")).toBeVisible();
  await page.keyboard.press("v");
  await expect(page.getByText(/\d+ entries verified in this browser/)).toBeVisible();
  await tabTo(page, /^entry \d+$/);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await expect(page.getByText(/Verified in this browser: entry \d+ is in the log/)).toBeVisible();
  const saved = page.waitForEvent("download");
  await tabTo(page, "Save the receipt");
  await page.keyboard.press("Enter");
  const file = info.outputPath("entry.tlog-proof");
  await (await saved).saveAs(file);
  expect(sightline("verify", file)).toMatchObject({ verified: true });
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("found-1");
  await tabTo(page, "Follow found-1 end to end", "link");
  await page.keyboard.press("Enter");
  const steps = page.getByRole("listitem");
  await expect(steps.first()).toContainText("case.open");
  await expect(page.getByRole("heading", { name: "case.authorise" })).toBeVisible();
});

test("an operator sees what runs and checks what is stored", async ({ as }) => {
  const page = await as("operator");
  await expect(page.getByRole("row", { name: /street\.mp4/ }).first()).toContainText("done");
  await page.keyboard.press("k");
  await expect(page.getByText("All of it agrees")).toBeVisible();
});

