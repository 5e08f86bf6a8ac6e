// Every screen, in light, dark and forced colours: nothing that axe finds, and nothing wider than a telephone.

import { everyLook, expect, test } from "./console";

for (const width of [320, 1280]) {
  test.describe(`${width} px wide`, () => {
    test.use({ viewport: { width, height: 800 } });

    test("the investigator's screens", async ({ as }) => {
      const page = await as("investigator");
      await expect(page.getByRole("link", { name: "found-1" })).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("n");
      await expect(page.getByText("Town council")).toBeVisible();
      await everyLook(page);
      await page.getByRole("link", { name: "Back to the cases" }).click();
      await page.getByRole("link", { name: "sign-1" }).click();
      await expect(page.getByText("What are you looking for?").or(page.getByText("This case permits no search."))).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("g");
      await page.getByRole("link", { name: "found-1" }).click();
      await expect(page.getByText("What are you looking for?")).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("/");
      await page.keyboard.type("pur");
      await everyLook(page);
      await page.keyboard.press("Enter");
      await page.keyboard.type("truck");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      await expect(page.getByRole("heading", { name: "No possible sighting" })).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("Backspace");
      await page.keyboard.press("Backspace");
      await page.keyboard.type("person");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
      await page.getByRole("listbox", { name: "Hits" }).getByRole("option").first().focus();
      for (const key of ["y", "n", "u", "t", "c"]) await page.keyboard.press(key);
      await page.getByLabel("Show").selectOption("all");
      await page.keyboard.press("w");
      await expect(page.getByRole("region", { name: "Where and when" })).toContainText("The same as a table");
      await page.getByText("The same as a table").click();
      await page.keyboard.press("k");
      await expect(page.getByText("Still looking")).toBeVisible();
      // High enough that what stays at the bottom of the window covers half of no button: that is where somebody scrolled to.
      if (width > 1000) await page.setViewportSize({ width, height: 6000 });
      await everyLook(page);
      await page.setViewportSize({ width, height: 800 });
      await page.getByRole("button", { name: "Stop looking" }).click();
      await page.getByRole("listbox", { name: "Hits" }).getByRole("option").nth(3).focus();
      await page.keyboard.press("v");
      await everyLook(page);
      await page.keyboard.press("Escape");
      await page.keyboard.press("x");
      await everyLook(page);
      await page.keyboard.press("Enter");
      await expect(page.getByText("Your own program checked it")).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("Escape");
      await page.locator("summary").first().click();
      await page.locator("summary").nth(1).click();
      await page.locator("summary", { hasText: "Searched and exported before" }).press("Enter");
      await expect(page.getByText(/: exported, \d+ possible sighting/).first()).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("?");
      await everyLook(page);
    });

    test("the authoriser's screens", async ({ as }) => {
      const page = await as("authoriser");
      await expect(page.getByText("urgent-1")).toBeVisible();
      await everyLook(page);
      await page.getByRole("link", { name: "urgent-1" }).click();
      await expect(page.getByText("What the bytes say")).toBeVisible();
      await everyLook(page);
      for (const key of ["s", "f"]) {
        await page.keyboard.press(key);
        await expect(page.getByRole("dialog")).toBeVisible();
        await everyLook(page);
        await page.keyboard.press("Escape");
      }
      await page.getByRole("link", { name: "Retention" }).click();
      await expect(page.getByRole("heading", { name: "Legal holds" })).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("n");
      await page.getByText("Less than the whole case").click();
      await everyLook(page);
      // Refused: the server knows no such case.
      await page.getByLabel("Case", { exact: true }).fill("no-such-case");
      await page.getByLabel("Why").fill("to see");
      await page.getByRole("button", { name: "Ask for it" }).click();
      await expect(page.getByRole("dialog").getByRole("alert")).toContainText("Refused");
      await everyLook(page);
    });

    test("the owner's screens", async ({ as }) => {
      const page = await as("camera-owner");
      await page.getByRole("link", { name: "street", exact: true }).focus();
      await everyLook(page);
      await page.keyboard.press("e");
      await page.getByText("these hours alone").click();
      await page.getByText("Withdraw the camera for good").click();
      await everyLook(page);
      await page.getByRole("checkbox", { name: "missing person" }).uncheck();
      await page.getByRole("button", { name: "Change it" }).click();
      await expect(page.getByText("Nothing was changed yet.")).toBeVisible();
      await everyLook(page);
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: "street", exact: true }).click();
      await expect(page.getByRole("table")).toBeVisible();
      await everyLook(page);
      await page.getByRole("link", { name: "Retention" }).click();
      await expect(page.getByRole("row", { name: /^street/ })).toBeVisible();
      await everyLook(page);
    });

    test("the operator's and the auditor's screens", async ({ as, door, context }) => {
      const page = await as("operator");
      await expect(page.getByText("Cameras that are watched")).toBeVisible();
      await page.keyboard.press("k");
      await expect(page.getByText("All of it agrees")).toBeVisible();
      await page.getByRole("button", { name: /^Those that end later/ }).click();
      await everyLook(page);
      await page.getByRole("button", { name: "Let another model take over …" }).click();
      await everyLook(page);
      const audit = await context.newPage();
      await audit.goto(await (await door("auditor")).first());
      await expect(audit.getByText("loaded.")).toBeVisible();
      await audit.getByLabel("Action").selectOption("case.open");
      await everyLook(audit);
      await audit.getByRole("button", { name: /^entry/ }).first().click();
      await everyLook(audit);
      await audit.keyboard.press("Escape");
      await audit.getByRole("link", { name: "found-1" }).first().click();
      await expect(audit.getByRole("heading", { name: "case.open" })).toBeVisible();
      await everyLook(audit);
      await audit.keyboard.press("g");
      await audit.keyboard.press("p");
      await expect(audit.getByRole("heading", { name: "Time to sign" })).toBeVisible();
      await everyLook(audit);
      await audit.keyboard.press("d");
      await expect(audit.getByText("Nothing was deleted yet")).toBeVisible();
      await everyLook(audit);
    });
  });
}

test("a page without a key", async ({ door, page }) => {
  await page.goto(new URL("/", await (await door("investigator")).first()).href);
  await expect(page.getByText("This page has no key")).toBeVisible();
  await everyLook(page);
});
