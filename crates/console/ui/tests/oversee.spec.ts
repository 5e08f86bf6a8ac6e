// Those who own, operate and audit: what is kept, what has room, when certificates end, and what stands out.

import { accessible, expect, openCase, sightline, tabTo, test } from "./console";

interface Held {
  id: string;
  case: string;
  holds: boolean;
  state: string;
}
const held = (of: string) => (sightline("hold", "list", "--as", "auditor", "--case", of)["holds"] as Held[])[0];

test("an authoriser and an owner keep sightings of a case and let them go, each one half", async ({ as, door, context }) => {
  openCase("hold-1", true, ["local"]);
  const page = await as("authoriser");
  await tabTo(page, "Retention", "link");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Legal holds" })).toBeVisible();
  await page.keyboard.press("n");
  await page.keyboard.type("hold-1");
  await tabTo(page, "Why", "textbox");
  await page.keyboard.type("a court asked");
  await tabTo(page, "Ask for it");
  await page.keyboard.press("Enter");
  const mine = page.getByRole("listitem", { name: /^hold / }).filter({ hasText: "hold-1" });
  await expect(mine).toContainText("holds nothing yet: waits for a second person");
  await expect(mine).toContainText("Somebody of another organisation than oversight has to confirm it");
  expect(held("hold-1")).toMatchObject({ holds: false, state: "asked" });

  const owner = await context.newPage();
  await owner.goto(await (await door("camera-owner")).first());
  await tabTo(owner, "Retention", "link");
  await owner.keyboard.press("Enter");
  const theirs = owner.getByRole("listitem", { name: /^hold / }).filter({ hasText: "hold-1" });
  await tabTo(owner, /^confirm/);
  await owner.keyboard.press("Enter");
  await expect(theirs.getByText("holds", { exact: true })).toBeVisible();
  expect(held("hold-1")).toMatchObject({ holds: true, state: "placed" });
  await expect(owner.getByRole("row", { name: /^street/ })).toContainText(/30 d .*as the deployment says/);
  await expect(owner.getByRole("row", { name: /^street/ })).toContainText(/hold-.*until/);
  await tabTo(owner, /^Ask for its release/);
  await owner.keyboard.press("Enter");
  await owner.keyboard.type("over");
  await tabTo(owner, "Ask for its release");
  await owner.keyboard.press("Enter");
  await expect(theirs).toContainText("until a second person agrees to its release");
  await expect(theirs).toContainText("Somebody of another organisation than local has to agree");
  expect(held("hold-1")).toMatchObject({ holds: true, state: "release_asked" });

  await page.keyboard.press("r");
  await tabTo(page, /^Agree to its release/);
  await page.keyboard.press("Enter");
  await page.keyboard.type("it is over");
  await tabTo(page, "Agree to its release");
  await page.keyboard.press("Enter");
  await expect(mine).toHaveCount(0);
  await page.getByRole("button", { name: /^Show holds that are over/ }).click();
  await expect(mine).toContainText("released");
  expect(held("hold-1")).toMatchObject({ holds: false, state: "released" });
});

test("a hold on a case that nobody signed is refused, with what to do", async ({ as }) => {
  const page = await as("auditor");
  await page.getByRole("link", { name: "Retention" }).click();
  await page.getByRole("button", { name: /^Ask for a hold/ }).click();
  await page.getByLabel("Case", { exact: true }).fill("sign-2");
  await page.getByLabel("Why").fill("to see");
  openCase("sign-2", false);
  await page.getByRole("button", { name: "Ask for it" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("nobody has authorised case sign-2");
  await accessible(page);
});

test("an operator sees room, ends of certificates and dashboards, and the page asks nothing there", async ({ as, page: blank }) => {
  const asked: string[] = [];
  blank.on("request", (request) => asked.push(new URL(request.url()).hostname));
  const page = await as("operator");
  await page.getByRole("link", { name: "Operate" }).click();
  await expect(page.getByText(/[GT]B of disk/)).toBeVisible();
  await expect(page.getByText(/[GT]B of memory/)).toBeVisible();
  const link = page.getByRole("link", { name: /^Dashboards/ });
  await expect(link).toHaveAttribute("href", "https://grafana.example/d/sightline");
  await expect(link).toHaveAttribute("rel", "noreferrer");
  // One that ended 20 days ago is told of, one that ended 40 days ago is not.
  const ends = page.getByRole("status").filter({ hasText: "2 certificates ended lately or end within 30 days:" });
  await expect(ends).toContainText("late (auditor, oversight), guest (auditor, oversight)");
  await expect(page.getByRole("listitem").filter({ hasText: "late (auditor, oversight)" })).toContainText("ended");
  await expect(page.locator("main")).not.toContainText("gone (auditor");
  await expect(page.getByText("sightline identity add guest --role auditor --agency oversight --authority DIR --out DIR")).toBeVisible();
  await page.getByRole("button", { name: /^Those that end later/ }).click();
  await expect(page.getByRole("listitem").filter({ hasText: /^the server/ })).toContainText("left");
  await expect(page.getByText("There is one model, and no other on its way.")).toBeVisible();
  await page.getByRole("button", { name: "Let another model take over …" }).click();
  await page.getByLabel("The embedder's name").fill("no-such-model");
  await page.getByRole("button", { name: "Begin" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("no-such-model");
  await page.keyboard.press("Escape");
  expect([...new Set(asked)]).toEqual(["localhost"]);
});

test("an auditor sees what stands out among cases, and nobody is ranked", async ({ as }) => {
  const page = await as("auditor");
  await page.keyboard.press("p");
  await expect(page.getByRole("heading", { name: "Time to sign" })).toBeVisible();
  const quick = page.getByRole("region", { name: "Signed within a minute of being asked for" });
  const one = quick.getByRole("link").first();
  const id = await one.innerText();
  await expect(page.getByRole("region", { name: "The same place again" })).toContainText("every camera of local");
  await expect(page.getByRole("region", { name: "Refused" })).toBeVisible();
  await expect(page.locator("main")).not.toContainText("investigator");
  await one.click();
  await expect(page.getByRole("heading", { name: `Case ${id}, end to end` })).toBeVisible();
});
