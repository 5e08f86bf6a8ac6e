// The second door: the server's own port, to people whose certificate is in their browser; and passkeys, by the browser's own
// virtual authenticator, attacks included.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Browser, BrowserContext, Page } from "@playwright/test";
import { CloseCaseRequestSchema } from "../src/gen/sightline/v1/cases_pb.js";
import { checkFiles } from "../src/lib/exported";
import { accessible, expect, home, needed, openCase as openAny, searchPersons, sightline, test } from "./console";

const port = needed("SIGHTLINE_SERVER").split(":").pop();
const origin = `https://localhost:${port}`;

/** A browser that has this identity's certificate, and no other. */
async function comes(browser: Browser, identity: string, width = 1280): Promise<{ page: Page; context: BrowserContext }> {
  const file = (kind: string) => join(home, `pki/identities/${identity}.${kind}`);
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width, height: 800 },
    clientCertificates: [{ origin, certPath: file("pem"), keyPath: file("key") }],
  });
  const page = await context.newPage();
  await page.goto(origin);
  await expect(page.getByRole("navigation")).toContainText(/\w/);
  return { page, context };
}

const openCase = (id: string) => openAny(id, false, ["local"]);

/** The browser's own authenticator, with the passkey that the deployment knows, or without. */
async function authenticator(context: BrowserContext, page: Page, known: boolean, options: Record<string, unknown> = {}) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  if (known) {
    const credential = {
      credentialId: Buffer.from("known").toString("base64"),
      isResidentCredential: true,
      rpId: "localhost",
      privateKey: needed("SIGHTLINE_PASSKEY"),
      userHandle: Buffer.from("authoriser").toString("base64"),
      signCount: 1,
      ...(options["defaultBackupEligibility"] ? { backupEligibility: true, backupState: true } : {}),
    };
    await cdp.send("WebAuthn.addCredential", { authenticatorId, credential });
  }
  return { cdp, authenticatorId };
}

test("an investigator comes in by certificate alone, and is asked for no link", async ({ browser }) => {
  const { page, context } = await comes(browser, "investigator");
  await expect(page.getByRole("heading", { name: "Cases" })).toBeVisible();
  await expect(page.getByRole("banner").getByText("investigator (investigator, ")).toBeVisible();
  await page.getByRole("link", { name: "found-1" }).click();
  await expect(page.getByRole("region", { name: "The case" })).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("person");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Every sighting in scope was compared")).toBeVisible();
  expect(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length])).toEqual(["", 0, 0]);
  // There is nothing to lose by it: the certificate opens the page again.
  await page.reload();
  await expect(page.getByRole("region", { name: "The case" })).toBeVisible();
  // What only a person's own program does is not there.
  const local = await page.evaluate(async () => (await fetch("/local/who", { method: "POST" })).status);
  expect(local).toBe(403);
  await context.close();
});

test("another page has the browser send a call in disguise over the certificate, and it changes nothing", async ({ browser }) => {
  openCase("foreign-1");
  // Somebody who may close any case, and whom no other spec has come from another page.
  const { page, context } = await comes(browser, "authoriser");
  const message = toBinary(CloseCaseRequestSchema, create(CloseCaseRequestSchema, { caseId: "foreign-1", reason: "by another page" }));
  const frame = [0, 0, 0, 0, message.length, ...message];
  // Of another origin and another site, on this machine as the server is.
  const other = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>Another page</title>"));
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
  await page.evaluate(
    async ([url, bytes]) => {
      const body = new Uint8Array(bytes);
      const sent = [body, new Blob([body], { type: "text/plain" }), new Blob([body], { type: "application/x-www-form-urlencoded" })];
      for (const body of sent) {
        // The answer is no other page's to have, so that each seems to fail.
        await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body }).catch(() => undefined);
      }
    },
    [`${origin}/sightline.v1.CaseService/CloseCase`, frame] as const,
  );
  // The browser sent them: the record has whose certificate it was.
  expect(sightline("case", "show", "foreign-1")["state"]).toBe("requested");
  const refused = sightline("log", "list", "--as", "auditor", "--outcome", "foreign_page")["entries"] as { caller: { name: string } | null }[];
  expect(refused.map((entry) => entry.caller?.name)).toContain("authoriser");
  other.close();
  await context.close();
});

test("an authoriser signs with a passkey, and the export is verified without any server", async ({ browser }, info) => {
  openCase("pass-1");
  const { page, context } = await comes(browser, "authoriser");
  await authenticator(context, page, true);
  await page.getByRole("link", { name: "pass-1" }).click();
  await expect(page.getByText("a child is missing")).toBeVisible();
  await expect(page.getByText(String(sightline("case", "show", "pass-1")["grant_sha256"]))).toBeVisible();
  await page.keyboard.press("s");
  await expect(page.getByRole("dialog", { name: "Sign case pass-1?" })).toContainText("With your passkey of localhost");
  await accessible(page);
  await page.keyboard.press("Enter");
  await expect(page.getByText(/^Signed\. The case permits searches until/)).toBeVisible();
  await expect(page.getByText("with a passkey of localhost")).toBeVisible();

  const hits = sightline("search", "--case", "pass-1", "--class", "person", "--limit", "1")["hits"] as { sighting: string }[];
  const zip = info.outputPath("export.zip");
  sightline("export", "--case", "pass-1", "--sighting", hits[0]!.sighting, "--out", zip);
  expect(sightline("verify", zip)).toMatchObject({ verified: true, case: "pass-1" });
  // One byte of what was signed is another: the manifest says so, and with it everything.
  expect(readFileSync(zip).includes("passkey")).toBe(true);
  await context.close();
});

test("an export is checked in the page, with a key from elsewhere or with the server's own word", async ({ browser }) => {
  openAny("sealed-1");
  const { page, context } = await comes(browser, "investigator");
  await searchPersons(page, "sealed-1");
  await page.keyboard.press("h");
  await page.keyboard.press("t");
  await page.keyboard.press("x");
  await page.keyboard.press("Enter");
  const tray = page.getByRole("dialog", { name: "Export, sealed" });
  await expect(tray).toContainText("Nothing on this machine has checked it yet.");
  await tray.getByRole("button", { name: "Check it in this page" }).click();
  await expect(tray).toContainText(/Verified in this browser: each of \d+ files/);
  await expect(tray).toContainText("By the key that the server itself named");
  await accessible(page);
  const key = readFileSync(join(home, "pki/log.pub"), "utf8").trim();
  await tray.getByLabel("The log's key").fill(key);
  await tray.getByRole("button", { name: "Check it in this page" }).click();
  await expect(tray).not.toContainText("By the key that the server itself named");
  await expect(tray).toContainText("Verified in this browser");
  await tray.getByLabel("The log's key").fill(`${key.slice(0, -6)}AAAAA=`);
  await tray.getByRole("button", { name: "Check it in this page" }).click();
  await expect(tray.getByRole("alert")).toContainText("Not verified:");
  await context.close();
});

test("of an export no file may be missing, more or another, and no byte", async ({}, info) => {
  openAny("sealed-2");
  const hits = sightline("search", "--case", "sealed-2", "--class", "person", "--limit", "1")["hits"] as { sighting: string }[];
  const folder = info.outputPath("export");
  sightline("export", "--case", "sealed-2", "--sighting", hits[0]!.sighting, "--out", folder);
  const key = readFileSync(join(home, "pki/log.pub"), "utf8");
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(join(folder, name)).isFile());
  const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
  const check = (of: Map<string, Uint8Array>, id = "sealed-2") => checkFiles(of, id, key);
  expect(await check(files)).toMatchObject({ files: names.length });
  await expect(check(files, "sealed-1")).rejects.toThrow();
  await expect(check(new Map(files).set("more.txt", new Uint8Array(1)))).rejects.toThrow("was not exported");
  for (const [name, bytes] of files) {
    const without = new Map(files);
    without.delete(name);
    await expect(check(without), `without ${name}`).rejects.toThrow();
    for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
      const changed = bytes.slice();
      changed[at]! ^= 1;
      await expect(check(new Map(files).set(name, changed)), `${name} at ${at}`).rejects.toThrow();
    }
  }
});

test("every view comes back after a reload and after back, never blank", async ({ browser }) => {
  const places: [string, string[]][] = [
    ["investigator", ["/cases", "/cases/new", "/case/found-1", "/case/found-1?word=class.1&show=all&map=1", "/case/no-such-case", "/nowhere"]],
    ["authoriser", ["/inbox", "/inbox/sign-1", "/retention", "/retention?show=all"]],
    ["camera-owner", ["/cameras", "/cameras/street", "/retention", "/operate"]],
    ["operator", ["/operate", "/operate?ids=all&jobs=failed", "/record"]],
    ["auditor", ["/record", "/record?tab=patterns", "/record?tab=deletions", "/record/found-1"]],
  ];
  for (const [identity, paths] of places) {
    const { page, context } = await comes(browser, identity);
    const alive = async () => {
      await expect(page.locator("main")).toContainText(/\w{3}/);
      await expect(page.locator("main").getByRole("status").filter({ hasText: "…" })).toHaveCount(0);
      return page.locator("main").innerText();
    };
    for (const path of paths) {
      await page.goto(origin + path);
      await alive();
      await page.reload();
      await expect.poll(async () => (await alive()).length, path).toBeGreaterThan(20);
      // Before the first there was another page.
      if (path === paths[0]) continue;
      await page.goBack();
      await alive();
      await page.goForward();
      await alive();
    }
    await context.close();
  }
});

for (const [id, attack, options, act] of [
  ["pass-copied", "a key that may be copied", { defaultBackupEligibility: true, defaultBackupState: true }, {}],
  ["pass-bogus", "a signature that is none", {}, { isBogusSignature: true }],
  ["pass-unverified", "somebody who did not show who they are", {}, { isBadUV: true }],
  ["pass-absent", "nobody being there", {}, { isBadUP: true }],
] as const) {
  test(`a passkey is refused: ${attack}`, async ({ browser }) => {
    openCase(id);
    const { page, context } = await comes(browser, "authoriser");
    const { cdp, authenticatorId } = await authenticator(context, page, true, options);
    await cdp.send("WebAuthn.setResponseOverrideBits", { authenticatorId, ...act });
    await page.getByRole("link", { name: id, exact: true }).click();
    await expect(page.getByText("What the bytes say")).toBeVisible();
    await page.keyboard.press("s");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("dialog").getByRole("alert")).toBeVisible();
    expect(sightline("case", "show", id)["state"]).toBe("requested");
    await context.close();
  });
}

test("an authoriser without a passkey makes one, and one that may be copied is not taken", async ({ browser }, info) => {
  openCase("pass-new");
  const { page, context } = await comes(browser, "judge");
  const { cdp, authenticatorId } = await authenticator(context, page, false, { defaultBackupEligibility: true, defaultBackupState: true });
  await page.getByRole("link", { name: "pass-new" }).click();
  await expect(page.getByRole("heading", { name: "To sign here you need a passkey" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Sign s" })).toBeDisabled();
  await accessible(page);
  await page.getByRole("button", { name: "Make a passkey" }).click();
  await expect(page.getByRole("alert")).toContainText("may be copied to other devices");
  await cdp.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
  await authenticator(context, page, false);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Make a passkey" }).click();
  const file = info.outputPath("court.judge.passkey");
  const download = await saved;
  expect(download.suggestedFilename()).toBe("court.judge.passkey");
  await download.saveAs(file);
  const [passkey] = JSON.parse(readFileSync(file, "utf8")) as { server: string; key: string }[];
  expect(passkey?.server).toBe("localhost");
  expect(Buffer.from(passkey!.key, "base64url")).toHaveLength(91);
  await expect(page.getByText(/^SHA-256 [0-9a-f]{64}$/)).toBeVisible();
  await context.close();
});
