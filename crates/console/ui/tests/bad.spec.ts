// What goes wrong while somebody looks: said, with what to do, and nothing that was given is lost.

import { create, fromBinary } from "@bufbuild/protobuf";
import type { Page } from "@playwright/test";
import { SearchResponseSchema } from "../src/gen/sightline/v1/search_pb.js";
import { askPersons, expect, needed, openCase, searchPersons, sightline, test } from "./console";
import { frame, frames } from "./wire";

const marks = (id: string) => sightline("mark", "list", "--case", id)["marks"] as { sighting: string; verdict?: string }[];
const hall = (page: Page) => page.getByRole("listbox", { name: "Hits" }).getByRole("option").filter({ hasText: "hall" });
const street = (page: Page) => page.getByRole("listbox", { name: "Hits" }).getByRole("option").filter({ hasText: "street" });

test("a case that ends while it is open puts its hits away and says so", async ({ as }) => {
  openCase("ends-1");
  const page = await as("investigator");
  const hits = await searchPersons(page, "ends-1");
  await page.keyboard.press("h");
  await page.keyboard.press("y");
  await expect.poll(() => marks("ends-1").length).toBe(1);
  sightline("case", "close", "ends-1", "--reason", "she was found");
  // A verdict that is too late is refused in words, and the one before stands.
  await page.keyboard.press("n");
  await expect(page.getByRole("alert").filter({ hasText: "Not kept:" })).toContainText("closed");
  await page.keyboard.press("r");
  await expect(page.getByRole("region", { name: "The case" })).toContainText("This case is closed: she was found. It permits no search.");
  await expect(page.getByText(/hits put away: This case is closed/)).toBeVisible();
  await expect(hits).toHaveCount(0);
  await expect(page.getByRole("button", { name: /^Search/ })).toBeDisabled();
  expect(marks("ends-1").map((m) => m.verdict)).toEqual(["yes"]);
});

test("hits of a camera that its owner pauses meanwhile are withheld, and back when it is resumed", async ({ as }) => {
  openCase("pause-1");
  const page = await as("investigator");
  await searchPersons(page, "pause-1");
  const [before, others] = [await street(page).count(), await hall(page).count()];
  expect(before).toBeGreaterThan(0);
  sightline("camera", "pause", "street", "--as", "camera-owner");
  await page.keyboard.press("r");
  await expect(page.getByText(/\d+ hits withheld: street \(paused by its owner\)/)).toBeVisible();
  await expect(street(page)).toHaveCount(0);
  await expect(hall(page)).toHaveCount(others);
  sightline("camera", "resume", "street", "--as", "camera-owner");
  await page.keyboard.press("r");
  await expect(street(page)).toHaveCount(before);
});

test("a budget that runs out is said, and what was found stays", async ({ as }) => {
  openCase("spent-3", true, ["local", "transport"], ["--queries", "1"]);
  const page = await as("investigator");
  const hits = await searchPersons(page, "spent-3");
  const found = await hits.count();
  await expect(page.getByRole("region", { name: "The case" })).toContainText("0 searches and");
  await page.keyboard.press("/");
  await page.keyboard.type("red above");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  const refused = page.getByRole("alert").filter({ hasText: "Refused" });
  await expect(refused).toContainText("What to do");
  await page.keyboard.press("Escape");
  await page.getByRole("navigation", { name: "Searches of this page" }).getByRole("link").first().click();
  await expect(hits).toHaveCount(found);
});

test("a search that the server can't pay to its end says what came", async ({ as }) => {
  openCase("spent-4", true, ["local", "transport"], ["--results", "3"]);
  const page = await as("investigator");
  await askPersons(page, "spent-4");
  // Three hits, or a refusal with what to do: never a blank page, and never more than was granted.
  await expect(page.getByText(/^Every sighting in scope was compared|What to do/).first()).toBeVisible();
  expect(await page.getByRole("listbox", { name: "Hits" }).getByRole("option").count()).toBeLessThanOrEqual(3);
});

test("an answer that breaks off midway is called incomplete, and what came can be judged", async ({ as }) => {
  openCase("cut-2");
  const page = await as("investigator");
  await page.route("**/*SearchService/Search", async (route) => {
    const answer = await route.fetch();
    const { messages } = frames(await answer.body());
    await route.fulfill({ response: answer, body: Buffer.concat(messages.slice(0, 4)) });
  });
  await askPersons(page, "cut-2");
  await expect(page.getByRole("alert").filter({ hasText: "The answer is incomplete." })).toContainText("4 hits came before it broke off");
  await page.keyboard.press("Escape");
  await page.keyboard.press("h");
  await page.keyboard.press("y");
  await expect.poll(() => marks("cut-2").length).toBe(1);
  await page.unroute("**/*SearchService/Search");
  await page.getByRole("button", { name: /^Search/ }).click();
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
});

test("a server that is slow can be stopped, and comes to its answer when it goes on", async ({ as }) => {
  openCase("slow-1");
  const page = await as("investigator");
  await page.getByRole("link", { name: "slow-1" }).click();
  await expect(page.getByText("What are you looking for?")).toBeVisible();
  const server = Number(needed("SIGHTLINE_SERVER_PROCESS"));
  process.kill(server, "SIGSTOP");
  try {
    await page.keyboard.press("/");
    await page.keyboard.type("person");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await expect(page.getByText("so far …")).toBeVisible();
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.getByText("You stopped this search: the hits are not all there are.")).toBeVisible();
    await page.getByRole("button", { name: "Search again" }).click();
    await expect(page.getByText("so far …")).toBeVisible();
  } finally {
    process.kill(server, "SIGCONT");
  }
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
});

test("a thousand hits are shown, and judged with the same keys", async ({ as }) => {
  openCase("many-2");
  const page = await as("investigator");
  // The server's own hits, over and over: as many as one search may have.
  await page.route("**/*SearchService/Search", async (route) => {
    const answer = await route.fetch();
    const { messages, trailers } = frames(await answer.body());
    const parts = messages.map((m) => fromBinary(SearchResponseSchema, m.subarray(5)));
    const hits = parts.filter((p) => p.part.case === "hit");
    const many = Array.from({ length: 1000 }, (_, i) => {
      const part = hits[i % hits.length]!.part;
      if (part.case !== "hit") throw new Error("no hit");
      const id = `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`;
      return create(SearchResponseSchema, { part: { case: "hit", value: { ...part.value, rank: i + 1, group: i + 1, sighting: { ...part.value.sighting!, id } } } });
    });
    const rest = parts.filter((p) => p.part.case === "summary");
    await route.fulfill({ response: answer, body: Buffer.concat([...[...many, ...rest].map((p) => frame(SearchResponseSchema, p)), trailers]) });
  });
  const hits = await searchPersons(page, "many-2");
  await expect(hits).toHaveCount(1000);
  await page.keyboard.press("h");
  await page.keyboard.press("End");
  await expect(hits.last()).toBeFocused();
  await page.keyboard.press("c");
  await expect(hits.last()).toContainText("marked");
});

test("a certificate that is revoked while the page is open is said, with what to do", async ({ as }) => {
  sightline("identity", "add", "leaver", "--role", "investigator", "--agency", "local", "--days", "30");
  const page = await as("leaver");
  await expect(page.getByRole("heading", { name: "Cases" })).toBeVisible();
  sightline("identity", "revoke", "leaver");
  const said = page.getByRole("alert");
  // The server's word about it may take a moment.
  await expect
    .poll(async () => {
      await page.keyboard.press("r");
      return said.count();
    })
    .toBeGreaterThan(0);
  await expect(said.first()).toContainText(/revoked/);
  await expect(said.first()).toContainText("What to do");
});

test("two tabs of one case keep each other's verdicts", async ({ as, context }) => {
  openCase("tabs-1");
  const first = await as("investigator");
  const hits = await searchPersons(first, "tabs-1");
  const second = await context.newPage();
  await second.goto(first.url());
  await expect(second.getByRole("region", { name: "The case" })).toBeVisible();
  await second.getByRole("button", { name: /^Search/ }).click();
  await expect(second.getByText("Every sighting in scope was compared")).toBeVisible();
  await first.bringToFront();
  await hits.first().focus();
  await first.keyboard.press("y");
  await second.bringToFront();
  await second.keyboard.press("h");
  await second.keyboard.press("ArrowRight");
  await second.keyboard.press("n");
  await expect.poll(() => marks("tabs-1").map((m) => m.verdict).sort()).toEqual(["no", "yes"]);
  await second.close();
  await first.bringToFront();
  await first.keyboard.press("r");
  await expect(hits.filter({ hasText: "✕" })).toHaveCount(0);
  await first.getByLabel("Show").selectOption("no");
  await expect(hits).toHaveCount(1);
});
