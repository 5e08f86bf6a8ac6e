// How long the page takes, in a real browser: `node measure.mjs LINK CASE [SEARCHES] [HITS]`.
//
// LINK is what `sightline console --json` printed, CASE an open case that covers at least a thousand people. Each search takes one
// of the case's searches. Prints JSON; see benches/README.md.
import { chromium } from "playwright-core";

const [link, id, times = "10", hits = "1000"] = process.argv.slice(2);
if (!link || !id) {
  console.error("usage: node measure.mjs LINK CASE [SEARCHES] [20|50|200|1000]");
  process.exit(2);
}
const browser = await chromium.launch({
  executablePath: process.env.SIGHTLINE_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
let [files, calls] = [0, 0];
page.on("request", (request) => (request.method() === "GET" ? (files += 1) : (calls += 1)));
await page.goto(link);
await page.getByRole("link", { name: id }).first().click();
await page.getByRole("heading", { name: "What are you looking for?" }).waitFor();
const opened = { files, calls };

/** Adds up what kept the page busy for longer than 50 ms. */
await page.evaluate(() => {
  globalThis.longest = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, entry.duration);
  }).observe({ type: "longtask" });
});

/** From Enter to the first crop on the screen and to the last card, in ms; and what the server says that it took. */
async function search() {
  await page.locator("#words").focus();
  await page.evaluate(() => {
    globalThis.longest = 0;
    globalThis.times = new Promise((done) => {
      const began = (event) => {
        if (event.key !== "Enter") return;
        removeEventListener("keydown", began, true);
        const start = performance.now();
        let crop;
        const look = () => {
          const image = document.querySelector(".hits li img");
          const painted = image?.complete && image.naturalWidth > 0;
          // The frame after the one in which it was there has been painted.
          if (painted && crop === undefined) crop = performance.now() - start;
          const text = document.querySelector("section[aria-label='Possible sightings'] [role=status]")?.textContent ?? "";
          const server = /, (\d+) ms, entry/.exec(text);
          if (crop !== undefined && server) {
            return requestAnimationFrame(() =>
              done({ crop, all: performance.now() - start, server: Number(server[1]), cards: document.querySelectorAll(".hits li").length, longest: globalThis.longest }),
            );
          }
          requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      };
      addEventListener("keydown", began, true);
    });
  });
  await page.keyboard.press("Enter");
  return page.evaluate(() => globalThis.times);
}

/** From a key to the frame in which the next hit is chosen, in ms. */
async function keys(count) {
  await page.locator(".hits li[tabindex='0']").focus();
  const all = [];
  for (let i = 0; i < count; i++) {
    await page.evaluate(() => {
      globalThis.key = new Promise((done) => {
        const began = () => {
          removeEventListener("keydown", began, true);
          const start = performance.now();
          const before = document.activeElement;
          const look = () => (document.activeElement !== before ? done(performance.now() - start) : requestAnimationFrame(look));
          requestAnimationFrame(look);
        };
        addEventListener("keydown", began, true);
      });
    });
    await page.keyboard.press("ArrowRight");
    all.push(await page.evaluate(() => globalThis.key));
  }
  return all;
}

const middle = (list, at = 0.5) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * at))];
const round = (x) => Math.round(x * 10) / 10;

await page.keyboard.press("/");
await page.keyboard.type("person");
await page.keyboard.press("Enter");
await page.keyboard.press("Escape");
await page.locator("summary", { hasText: "at most" }).click();
await page.getByLabel("Hits at most").selectOption(hits);
const searches = [];
const from = page.getByLabel("Seen from");
const begin = Date.parse(`${await from.getAttribute("min")}Z`);
for (let i = 1; i <= Number(times); i++) {
  // Another question each time: what was found before is shown again without asking.
  await from.fill(new Date(begin + i * 1000).toISOString().slice(0, 19));
  const told = await Promise.race([search(), new Promise((done) => setTimeout(done, 30_000))]);
  if (!told) {
    await page.screenshot({ path: "measure-failed.png" });
    throw new Error("no answer within 30 s, or not all of it was shown: see measure-failed.png");
  }
  searches.push(told);
  // What is alike and near in time is shown as one pass.
  const each = page.getByLabel("every hit of a pass");
  if (i === 1 && (await each.count())) await each.check();
}
const moved = await keys(Math.min(50, searches.at(-1).cards - 1));
console.log(
  JSON.stringify({
    to_open_a_case: opened,
    searches: searches.length,
    cards: searches.at(-1).cards,
    enter_to_first_crop_ms: { p50: round(middle(searches.map((s) => s.crop))), most: round(Math.max(...searches.map((s) => s.crop))) },
    enter_to_all_ms: { p50: round(middle(searches.map((s) => s.all))) },
    server_ms: { p50: round(middle(searches.map((s) => s.server))) },
    longest_task_ms: { p50: round(middle(searches.map((s) => s.longest))), most: round(Math.max(...searches.map((s) => s.longest))) },
    key_to_next_hit_ms: { p50: round(middle(moved)), p95: round(middle(moved, 0.95)) },
  }),
);
await browser.close();
