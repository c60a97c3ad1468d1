// Each project is a kind of reader: at a desk or on a phone, with scripts or without. A test names those that it is for
// (`for_` of support/test.mjs). One worker: the tests of a project share its site, in the order of their files.
import { defineConfig } from "@playwright/test";
import { stage } from "./support/stage.mjs";

const desktop = { viewport: { width: 1280, height: 800 } };
const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const plain = { javaScriptEnabled: false };

// Debian's Chromium.
export const launch = {
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
};

const project = (name, use) => ({ name, use, grep: new RegExp(`@${name}(\\s|$)`) });

export default defineConfig({
  testDir: "./tests",
  timeout: 120_000,
  expect: { timeout: 30_000 },
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    baseURL: stage.base,
    actionTimeout: 30_000,
    navigationTimeout: 30_000,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    screenshot: "only-on-failure",
    launchOptions: launch,
  },
  projects: [
    project("desktop", desktop),
    project("phone", phone),
    project("desktop-plain", { ...desktop, ...plain }),
    project("phone-plain", { ...phone, ...plain }),
  ],
});
