// Pictures of the page for docs/, from footage in which nobody is real: `just screenshots` makes them anew. With SIGHTLINE_SHOTS_ALL
// more of them, also in the dark and in other widths, for whoever changes the page and wants to look at it.

import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, home, needed, test } from "./console";

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
  await page.getByRole("link", { name: "found-1" }).click();
  await expect(page.getByText("What are you looking for?")).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("person");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  await page.getByRole("listbox", { name: "Hits" }).getByRole("option").first().focus();
  for (const key of ["y", "n", "u"]) await page.keyboard.press(key);
  await page.getByLabel("Show").selectOption("all");
  await page.getByRole("listbox", { name: "Hits" }).getByRole("option").nth(3).click();
  // Each of those that are on the screen is drawn.
  await expect.poll(() => page.locator("img").evaluateAll((all) => all.every((one) => (one as HTMLImageElement).complete))).toBe(true);
  await shoot(page, "console-hits");
  await page.keyboard.press("w");
  await expect(page.getByRole("region", { name: "Where and when" })).toContainText("The same as a table");
  if (every) await shoot(page, "console-where-and-when");
});

test("the authoriser's inbox and a case to sign", async ({ as }) => {
  const page = await as("authoriser");
  await expect(page.getByText("urgent-1")).toBeVisible();
  if (every) await shoot(page, "console-inbox");
  await page.getByRole("link", { name: "sign-1" }).click();
  await expect(page.getByText(/^(Fewer than|10,000)/)).toBeVisible();
  await shoot(page, "console-sign");
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
  if (every) await shoot(page, "console-own");
  const audit = await context.newPage();
  await audit.goto(await (await door("auditor")).first());
  await expect(audit.getByText("loaded.")).toBeVisible();
  await shoot(audit, "console-record");
});
