// Last, because the server does not come back: what is on show stays, and what to do is said.

import { expect, test } from "./console";

test("a server that is away is said, and nothing that was found is lost", async ({ as }) => {
  const page = await as("investigator");
  await page.getByRole("link", { name: "found-1" }).click();
  await expect(page.getByText("What are you looking for?")).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("person");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  const found = await page.getByRole("listbox", { name: "Hits" }).getByRole("option").count();
  await page.getByRole("listbox", { name: "Hits" }).getByRole("option").first().focus();
  await page.keyboard.press("y");
  process.kill(Number(process.env["SIGHTLINE_SERVER_PROCESS"]), "SIGKILL");
  await page.keyboard.press("r");
  await expect(page.getByRole("alert")).toContainText("the server does not answer");
  await expect(page.getByRole("alert")).toContainText("What to do");
  await expect(page.getByRole("listbox", { name: "Hits" }).getByRole("option")).toHaveCount(found - 1);
});
