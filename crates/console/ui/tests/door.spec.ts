// The door as a browser meets it.

import { expect, test } from "./console";

test("a link opens one page once, and a page that is reloaded has no key any more", async ({ door, page, context }) => {
  const console = await door("investigator");
  const link = await console.first();
  await page.goto(link);
  await expect(page.getByRole("heading", { name: "Cases" })).toBeVisible();
  expect(page.url()).not.toContain("#");

  // Another tab of the same console is let in by the one that is open.
  const second = await context.newPage();
  await second.goto(new URL("/cases", link).href);
  await expect(second.getByRole("heading", { name: "Cases" })).toBeVisible();
  await second.close();

  expect(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length])).toEqual(["", 0, 0]);
  await page.reload();
  await expect(page.getByRole("heading", { name: "This page has no key" })).toBeVisible();
  await expect(page.getByText("press Enter where sightline console runs")).toBeVisible();
  await page.goto("about:blank");
  await page.goto(link);
  await expect(page.getByRole("heading", { name: "This link was used already" })).toBeVisible();
  await page.goto("about:blank");
  await page.goto(await console.another());
  await expect(page.getByRole("heading", { name: "Cases" })).toBeVisible();
});

test("a style that the page did not bring is stopped, and noticed here", async ({ door, page, faults }) => {
  await page.goto(await (await door("investigator")).first());
  await page.evaluate(() => document.body.setAttribute("style", "color: red"));
  await expect.poll(() => faults).toEqual(["policy: style-src-attr inline"]);
  faults.length = 0;
});

test("who opens it as somebody who may not is told so, and what to do", async ({ as }) => {
  const page = await as("operator");
  const at = new URL(page.url());
  // Within the page: an address of another role's view.
  await page.evaluate(() => history.pushState(null, "", "/record"));
  await page.evaluate(() => dispatchEvent(new PopStateEvent("popstate")));
  await expect(page.getByRole("alert")).toContainText("Refused");
  expect(new URL(page.url()).origin).toBe(at.origin);
});
