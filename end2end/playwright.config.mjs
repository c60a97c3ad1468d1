// Each project is a kind of reader: at a desk or on a phone, with scripts or without. A test names those that it is for
// (`for_` of support/test.mjs). Each has a panel and a site for itself, so that two of them are at work at the same time;
// the tests of one come one after another, in the order of their files.
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

const project = (name, use) => ({
  name,
  use: { ...use, baseURL: stage.forms?.[name]?.base },
  grep: new RegExp(`@${name}(\\s|$)`),
  workers: 1,
});

export default defineConfig({
  testDir: "./tests",
  timeout: 120_000,
  expect: { timeout: 30_000 },
  workers: 2,
  retries: 0,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    actionTimeout: 30_000,
    navigationTimeout: 30_000,
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    screenshot: "only-on-failure",
    launchOptions: launch,
  },
  // Those who wait for pages to load themselves anew beside those who keep the machine busy.
  projects: [
    project("desktop", desktop),
    project("desktop-plain", { ...desktop, ...plain }),
    project("phone", phone),
    project("phone-plain", { ...phone, ...plain }),
  ],
});
