// Last, because the server does not come back: what is on show stays, and what to do is said.

import { expect, searchPersons, test } from "./console";

test("a server that is away is said, and nothing that was found is lost", async ({ as }) => {
  const page = await as("investigator");
  const hits = await searchPersons(page, "found-1");
  const found = await hits.count();
  await hits.first().focus();
  await page.keyboard.press("y");
  process.kill(Number(process.env["SIGHTLINE_SERVER_PROCESS"]), "SIGKILL");
  // A verdict that the server can't take waits in the page, and that is said.
  await page.keyboard.press("n");
  await expect(page.getByRole("alert").filter({ hasText: "not kept yet" })).toContainText("leave this page open");
  await page.keyboard.press("r");
  const away = page.getByRole("alert").filter({ hasText: "That did not work" });
  await expect(away).toContainText("the server does not answer");
  await expect(away).toContainText("What to do");
  await expect(hits).toHaveCount(found - 2);
});
