// A person at the console: `sightline console --as NAME` as anybody starts it, and a page that it opened.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";

export function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these specs are run by \`cargo test --test cli console\``);
  return value;
}
const binary = needed("SIGHTLINE_BINARY");
export const home = needed("SIGHTLINE_HOME");
/** A clip that the specs may add as footage of another place and time. */
export const clip = needed("SIGHTLINE_CLIP");
const words = ["--home", home, "--server", needed("SIGHTLINE_SERVER"), "--json"];

/** One command of the CLI, which must do it; its answer. */
export function sightline(...more: string[]): Record<string, unknown> {
  const done = spawnSync(binary, [...words, ...more], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`sightline ${more.join(" ")}: ${done.stderr}`);
  return JSON.parse(done.stdout) as Record<string, unknown>;
}

export class Console {
  private lines: AsyncIterator<string>;
  private constructor(private child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }
  static start(as: string): Console {
    return new Console(spawn(binary, [...words, "console", "--as", as], { stdio: ["pipe", "pipe", "inherit"] }));
  }
  private async next(): Promise<string> {
    return (JSON.parse((await this.lines.next()).value as string) as { link: string }).link;
  }
  /** The link it printed first. */
  first = () => this.next();
  /** Another one, as Enter gives it. */
  another(): Promise<string> {
    this.child.stdin!.write("\n");
    return this.next();
  }
  stop() {
    this.child.kill();
  }
}

interface Fixtures {
  /** A page that is open as this identity. */
  as: (identity: string) => Promise<Page>;
  /** A console with no page yet. */
  door: (identity: string) => Promise<Console>;
  /** What went wrong in a page: the page's policy broken, or an error nobody caught. */
  faults: string[];
}

export const test = base.extend<Fixtures>({
  faults: async ({ context }, use) => {
    const faults: string[] = [];
    context.on("weberror", (e) => faults.push(`error: ${e.error().message}`));
    await context.exposeFunction("tellFault", (text: string) => faults.push(text));
    await context.addInitScript(() => {
      const tell = (globalThis as unknown as { tellFault: (text: string) => void }).tellFault;
      document.addEventListener("securitypolicyviolation", (e) => tell(`policy: ${e.violatedDirective} ${e.blockedURI}`));
    });
    await use(faults);
    expect(faults).toEqual([]);
  },
  door: async ({ faults }, use) => {
    void faults;
    const open: Console[] = [];
    await use(async (identity) => {
      const one = Console.start(identity);
      open.push(one);
      return one;
    });
    for (const one of open) one.stop();
  },
  as: async ({ door, page }, use) => {
    await use(async (identity) => {
      await page.goto(await (await door(identity)).first());
      await expect(page.getByRole("navigation")).toContainText(/\w/);
      return page;
    });
  },
});

const WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** No violation of WCAG 2.2 A and AA that a program can find; `colours`: only of those that other colours can break. */
export async function accessible(page: Page, colours = false) {
  const axe = new AxeBuilder({ page });
  const { violations } = await (colours ? axe.withRules(["color-contrast", "link-in-text-block"]) : axe.withTags(WCAG_22_AA)).analyze();
  expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" | ")}`)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page is wider than the window").toBe(true);
}

const looks = [
  { name: "light", colorScheme: "light" as const, forcedColors: "none" as const },
  { name: "dark", colorScheme: "dark" as const, forcedColors: "none" as const },
  { name: "forced colours", colorScheme: "dark" as const, forcedColors: "active" as const },
];

/** Narrow pages have the colours of wide ones. */
export async function everyLook(page: Page) {
  if ((page.viewportSize()?.width ?? 0) < 1000) return accessible(page);
  for (const [look, { colorScheme, forcedColors }] of looks.entries()) {
    await page.emulateMedia({ colorScheme, forcedColors, reducedMotion: "reduce" });
    await accessible(page, look > 0);
  }
  await page.emulateMedia({ colorScheme: "light", forcedColors: "none" });
}

/** Tab until this has the focus: what a person without a pointer does. */
export async function tabTo(page: Page, name: string | RegExp, role: "button" | "link" | "textbox" | "option" | "checkbox" = "button") {
  const wanted = page.getByRole(role, { name, exact: typeof name === "string" }).first();
  await wanted.waitFor();
  for (let i = 0; i < 80; i++) {
    if (await wanted.evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`${String(name)} can't be reached by Tab`);
}

/** A case about a missing child, of these agencies, signed or not. */
export function openCase(id: string, authorised = true, agencies = ["local", "transport"], more: string[] = []) {
  const scope = [...agencies.flatMap((a) => ["--agency", a]), "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T10:00:00Z"];
  sightline("case", "open", "--id", id, "--purpose", "missing-person", "--legal-basis", "order 9", "--reason", "a child is missing", ...scope, ...more);
  if (authorised) sightline("case", "authorise", id, "--yes");
}

/** A camera of its own with footage whose time comes at once: it is deleted. How many sightings went with the newest deletion. */
export async function sweep(camera: string): Promise<number> {
  sightline("camera", "add", camera, "--agency", "local", "--title", `place of ${camera}`, "--at", "51.50280,-0.12220");
  sightline("archive", "add", clip, "--camera", camera, "--start", "2026-03-01T09:00:00Z", "--sample-fps", "2", "--wait");
  sightline("camera", "policy", camera, "--retention", "1s", "--as", "camera-owner");
  // What was stored in the last second goes with a later one.
  await expect.poll(() => sightline("retention", "run")["sightings"]).toBe(0);
  const [newest] = sightline("retention", "list", "--as", "auditor")["deletions"] as { sightings: number }[];
  return newest!.sightings;
}

/** Opens a case that nothing was looked for in, and asks for people. */
export async function askPersons(page: Page, id: string) {
  await page.getByRole("link", { name: id }).click();
  await expect(page.getByText("What are you looking for?")).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("person");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
}

/** As {@link askPersons}, and waits for the hits. */
export async function searchPersons(page: Page, id: string) {
  await askPersons(page, id);
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  await page.keyboard.press("Escape");
  return page.getByRole("listbox", { name: "Hits" }).getByRole("option");
}

export { expect };
