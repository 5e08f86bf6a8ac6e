// What a screen reader is told of each role's screens: their landmarks, headings and what can be done, in their order.

import { expect, openCase, searchPersons, test } from "./console";

test("the investigator's outline", async ({ as }) => {
  openCase("outline-3");
  const page = await as("investigator");
  await searchPersons(page, "outline-3");
  await page.keyboard.press("h");
  await expect(page.locator("body")).toMatchAriaSnapshot(`
    - link "To the content"
    - banner:
      - navigation "Views":
        - link "Cases"
      - button "Keys ?"
    - main:
      - region "The case":
        - heading "outline-3 missing person" [level=1]
      - region "Search":
        - list "Asked for":
          - listitem:
            - button "person" [pressed]
            - button "remove person"
        - combobox "Add a word, or press Enter to search"
        - button "Search again"
        - button "Keep looking k"
      - region "Possible sightings":
        - status:
          - strong: /\\d+ possible sightings/
        - group "Size of the pictures"
        - listbox "Hits":
          - option [selected]
      - 'group "Hit #1"':
        - button "Yes y"
        - button "No n"
        - button "Unsure u"
  `);
});

test("the authoriser's outline", async ({ as }) => {
  const page = await as("authoriser");
  await page.getByRole("link", { name: "urgent-1" }).click();
  await expect(page.locator("main")).toMatchAriaSnapshot(`
    - main:
      - paragraph:
        - link "Inbox"
      - heading "Case urgent-1" [level=1]
      - region "What the bytes say":
        - heading "What the bytes say" [level=2]
        - heading "Signed so far" [level=3]
      - region "What your signature would open":
        - table:
          - rowgroup:
            - row "Camera Its owner allows With your signature"
      - button "Sign s"
      - button "Refuse f"
  `);
});

test("the owner's outline", async ({ as }) => {
  const page = await as("camera-owner");
  await expect(page.locator("main")).toMatchAriaSnapshot(`
    - main:
      - heading "Cameras of local" [level=1]
      - searchbox "Filter"
      - table:
        - rowgroup:
          - row /Camera State What its owner allows/
  `);
  await page.getByRole("link", { name: "Retention" }).click();
  await expect(page.locator("main")).toMatchAriaSnapshot(`
    - main:
      - heading "What is kept, and until when" [level=1]
      - region "Legal holds":
        - heading "Legal holds" [level=2]
      - region "How long sightings live":
        - heading "How long sightings live" [level=2]
        - table
  `);
});

test("the operator's and the auditor's outline", async ({ as, door, context }) => {
  const page = await as("operator");
  await expect(page.locator("main")).toMatchAriaSnapshot(`
    - main:
      - heading "Operate" [level=1]
      - link "Dashboards in a tab of their own"
      - list:
        - listitem:
          - progressbar "disk in use"
        - listitem:
          - progressbar "memory in use"
      - region "Cameras that are watched"
      - region "Footage":
        - table
      - region "What is stored":
        - button "Check k"
      - region "Identities and their ends":
        - heading "Revoked" [level=3]
      - region "The model of appearance"
  `);
  const audit = await context.newPage();
  await audit.goto(await (await door("auditor")).first());
  await expect(audit.locator("main")).toMatchAriaSnapshot(`
    - main:
      - heading "The record" [level=1]
      - group "What to look at":
        - button "Record" [pressed]
        - button "Deletions"
        - button "Patterns"
      - button "Verify v"
      - combobox "Case"
      - table
  `);
});
