import { defineConfig } from "@playwright/test";

// Run by the Rust test `console` (crates/cli/tests), which starts the server that this talks to. Debian's Chromium.
export default defineConfig({
  testDir: "tests",
  outputDir: process.env["SIGHTLINE_TEST_OUTPUT"] ?? "test-results",
  workers: 1,
  retries: 0,
  // Nothing here is decided by a time: these only end what hangs, on a machine that is busy.
  timeout: 900_000,
  expect: { timeout: 120_000 },
  reporter: [["list"]],
  use: {
    actionTimeout: 120_000,
    viewport: { width: 1280, height: 800 },
    timezoneId: "UTC",
    launchOptions: {
      executablePath: process.env["SIGHTLINE_CHROMIUM"] ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
