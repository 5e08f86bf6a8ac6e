// What `?` shows of each screen: a key does one thing there.

import { expect, test } from "./console";

const screens = {
  investigator: ["/cases", "/cases/new", "/case/found-1"],
  authoriser: ["/inbox", "/inbox/urgent-1", "/retention"],
  "camera-owner": ["/cameras", "/cameras/street", "/retention"],
  operator: ["/operate"],
  auditor: ["/record", "/record?tab=deletions", "/record/found-1", "/cameras"],
};

for (const [identity, paths] of Object.entries(screens)) {
  test(`no key of the ${identity} does two things on one screen`, async ({ as }) => {
    const page = await as(identity);
    for (const path of paths) {
      await page.evaluate((to) => {
        history.pushState(null, "", to);
        dispatchEvent(new PopStateEvent("popstate"));
      }, path);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await page.keyboard.press("?");
      const keys = page.getByRole("dialog", { name: "Keys" }).locator("dt kbd");
      await expect(keys.filter({ hasText: /^g$/ })).toHaveCount(1);
      const all = await keys.allInnerTexts();
      expect(all.toSorted(), path).toEqual([...new Set(all)].toSorted());
      await page.keyboard.press("Escape");
    }
  });
}
