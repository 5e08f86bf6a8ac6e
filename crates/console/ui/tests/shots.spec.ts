// Pictures of the page for docs/, from footage in which nobody is real: `just screenshots` makes them anew. With SIGHTLINE_SHOTS_ALL
// more of them, also in the dark and in other widths, for whoever changes the page and wants to look at it.

import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, home, needed, searchPersons, sweep, test } from "./console";

const folder = process.env["SIGHTLINE_SHOTS"];
const every = !!process.env["SIGHTLINE_SHOTS_ALL"];
test.skip(!folder, "SIGHTLINE_SHOTS is not set");
test.use({ viewport: { width: 1280, height: 800 } });

/** As somebody sees it who looks at the page as it is, without a pointer anywhere. */
async function shoot(page: Page, name: string) {
  await page.mouse.move(0, 0);
  const take = (more: string, fullPage: boolean) => page.screenshot({ path: join(folder!, `${name}${more}.png`), animations: "disabled", fullPage });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await take("", false);
  if (!every) return;
  // What stays at an edge of the window would lie in the middle of a picture of the whole page.
  await page.evaluate(() => scrollTo(0, 0));
  for (const width of [320, 768, 1440]) {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await take(`-${width}-${colorScheme}`, true);
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: "light" });
}

test("the investigator's hits", async ({ as }) => {
  const page = await as("investigator");
  const hits = await searchPersons(page, "found-1");
  await hits.first().focus();
  for (const key of ["y", "n", "u"]) await page.keyboard.press(key);
  await page.getByLabel("Show").selectOption("all");
  await hits.nth(3).click();
  // Each of those that are on the screen is drawn.
  await expect.poll(() => page.locator("img").evaluateAll((all) => all.every((one) => (one as HTMLImageElement).complete))).toBe(true);
  await shoot(page, "console-hits");
  await page.keyboard.press("w");
  await expect(page.getByRole("region", { name: "Where and when" })).toContainText("The same as a table");
  if (!every) return;
  await shoot(page, "console-where-and-when");
  await hits.nth(0).click();
  for (const key of ["c", "ArrowRight", "c", "ArrowRight", "c", "v"]) await page.keyboard.press(key);
  await expect(page.getByRole("dialog").locator("img")).toHaveCount(3);
  await shoot(page, "console-compare");
  await page.keyboard.press("Escape");
  await page.getByText("All of the time").click();
  await shoot(page, "console-cameras");
  await page.keyboard.press("h");
  await page.keyboard.press("t");
  await page.keyboard.press("x");
  await expect(page.getByRole("heading", { name: "Exported before" })).toBeVisible();
  await shoot(page, "console-tray");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Your own program checked it")).toBeVisible();
  await shoot(page, "console-exported");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await shoot(page, "console-keys");
  await page.keyboard.press("Escape");
  await page.keyboard.press("k");
  await expect(page.getByText("Still looking")).toBeVisible();
  await shoot(page, "console-looking");
  await page.getByRole("button", { name: "Stop looking" }).click();
  for (const key of ["/", "Backspace", "p", "u", "r"]) await page.keyboard.press(key);
  await shoot(page, "console-words");
  for (const key of ["Enter", "t", "r", "u", "c", "k", "Enter", "Enter"]) await page.keyboard.press(key);
  await expect(page.getByRole("heading", { name: "No possible sighting" })).toBeVisible();
  await shoot(page, "console-nothing");
});

test("the authoriser's inbox and a case to sign", async ({ as }) => {
  const page = await as("authoriser");
  await expect(page.getByText("urgent-1")).toBeVisible();
  if (every) await shoot(page, "console-inbox");
  await page.getByRole("link", { name: "sign-1" }).click();
  await expect(page.getByText(/^(Fewer than|10,000)/)).toBeVisible();
  await shoot(page, "console-sign");
  if (!every) return;
  for (const key of ["s", "f"]) {
    await page.keyboard.press(key);
    await expect(page.getByRole("dialog")).toBeVisible();
    await shoot(page, `console-sign-${key}`);
    await page.keyboard.press("Escape");
  }
});

test("a case to sign at the server's door, and a passkey to make", async ({ browser }) => {
  const origin = `https://localhost:${needed("SIGHTLINE_SERVER").split(":").pop()}`;
  for (const [identity, name] of [["authoriser", "server-sign"], ["judge", "server-passkey"]] as const) {
    const file = (kind: string) => join(home, `pki/identities/${identity}.${kind}`);
    const clientCertificates = [{ origin, certPath: file("pem"), keyPath: file("key") }];
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, clientCertificates });
    const page = await context.newPage();
    await page.goto(origin);
    await page.getByRole("link", { name: "sign-1" }).click();
    await expect(page.getByText(/^(Fewer than|10,000)/)).toBeVisible();
    if (identity === "judge") await page.getByRole("heading", { name: "To sign here you need a passkey" }).scrollIntoViewIfNeeded();
    if (every) await shoot(page, `console-${name}`);
    await context.close();
  }
});

test("the owner's cameras and the auditor's record", async ({ as, door, context }) => {
  const page = await as("camera-owner");
  await expect(page.getByRole("link", { name: "street", exact: true })).toBeVisible();
  if (every) {
    await shoot(page, "console-own");
    await page.getByRole("link", { name: "street", exact: true }).focus();
    await page.keyboard.press("e");
    await shoot(page, "console-policy");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "street", exact: true }).click();
    await expect(page.getByRole("table")).toBeVisible();
    await shoot(page, "console-looked");
  }
  await page.getByRole("link", { name: "Retention" }).click();
  await expect(page.getByRole("row", { name: /^street/ })).toBeVisible();
  if (every) await shoot(page, "console-retention");
  await page.keyboard.press("n");
  if (every) await shoot(page, "console-hold");
  const audit = await context.newPage();
  await audit.goto(await (await door("auditor")).first());
  await expect(audit.getByText("loaded.")).toBeVisible();
  await shoot(audit, "console-record");
  await audit.keyboard.press("p");
  await expect(audit.getByRole("heading", { name: "Time to sign" })).toBeVisible();
  if (!every) return;
  await shoot(audit, "console-patterns");
  await sweep("yard");
  await audit.keyboard.press("d");
  await audit.getByRole("button", { name: "Verify the deletion" }).first().click();
  await expect(audit.getByText("Verified in this browser")).toBeVisible();
  await shoot(audit, "console-deletion");
  await audit.getByRole("button", { name: /^Entry/ }).click();
  await shoot(audit, "console-entry");
  await audit.keyboard.press("Escape");
  await shoot(audit, "console-deletions");
  await audit.keyboard.press("v");
  await expect(audit.getByText("verified in this browser")).toBeVisible();
  await audit.keyboard.press("d");
  await audit.getByRole("link", { name: "found-1" }).first().click();
  await expect(audit.getByRole("heading", { name: "case.open" })).toBeVisible();
  await shoot(audit, "console-follow");
});

test("what an operator sees, and a case that is asked for", async ({ as, door, context }) => {
  const page = await as("operator");
  await expect(page.getByText("Cameras that are watched")).toBeVisible();
  if (every) await shoot(page, "console-operate");
  const asks = await context.newPage();
  await asks.goto(await (await door("investigator")).first());
  await expect(asks.getByRole("heading", { name: "Cases" })).toBeVisible();
  if (every) await shoot(asks, "console-cases");
  await asks.keyboard.press("n");
  await asks.getByText("Or every camera of an area").click();
  if (every) await shoot(asks, "console-ask");
});

test("a page without a key, and a call that is refused", async ({ door, as, page: first }) => {
  test.skip(!every);
  await first.goto(new URL("/", await (await door("investigator")).first()).href);
  await expect(first.getByText("This page has no key")).toBeVisible();
  await shoot(first, "console-no-key");
  const page = await as("auditor");
  await page.evaluate(() => {
    history.pushState(null, "", "/operate");
    dispatchEvent(new PopStateEvent("popstate"));
  });
  await expect(page.getByRole("alert")).toContainText("Refused");
  await shoot(page, "console-refused");
});
