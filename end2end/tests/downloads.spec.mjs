import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { test, expect, everybody, for_, DESKTOP, examine, visit } from "../support/test.mjs";
import { backUp } from "../support/stage.mjs";

const link = (page) => page.locator("#new-link");

test("a link is made in the log, leads whoever has it to the file, and is taken back", everybody, async ({ page, browser, site, allowed }, info) => {
  allowed.push(/status of 4(04|10)/);
  const backup = await backUp(site, "To be taken away");
  await page.goto(`/environments/${site.id}`);
  const row = page.getByRole("row").filter({ hasText: "To be taken away" });
  await row.getByRole("button", { name: /^Get link to the files of/ }).click();
  await expect(page.getByRole("status")).toContainText("A link to the files, good until");
  await examine(page);
  const url = await link(page).textContent();

  // Somebody without an account, in a browser of their own.
  const { viewport, javaScriptEnabled, isMobile, hasTouch } = info.project.use;
  const outside = await browser.newContext({ viewport, javaScriptEnabled, isMobile, hasTouch });
  const guest = await outside.newPage();
  const there = new URL(url).pathname.split("/").slice(0, 3).join("/");
  await visit(guest, new URL(there, url).href);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText(`Files of ${site.title}`);
  const [download] = await Promise.all([guest.waitForEvent("download"), guest.getByRole("link", { name: /^Download / }).click()]);
  expect(download.suggestedFilename()).toMatch(/_live_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d_UTC_files\.tar\.gz$/);
  const bytes = readFileSync(await download.path());
  expect([...bytes.subarray(0, 2)]).toEqual([0x1f, 0x8b]);
  const tar = gunzipSync(bytes);
  expect(tar.includes(readFileSync(`${site.root}/media/2024/photo-3.png`)), "a picture of the site is in it").toBe(true);

  await page.goto(`/backups/${backup.id}`);
  await examine(page);
  await page.getByRole("button", { name: /^Revoke/ }).click();
  await expect(page.getByRole("status")).toBeVisible();
  const closed = await guest.goto(new URL(there, url).href);
  expect(closed.status()).toBe(410);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText("This link is good no more");
  await examine(guest);
  await outside.close();
});

test("a link that nobody made leads nowhere, and says so", for_(DESKTOP), async ({ page, context, allowed }) => {
  allowed.push(/status of 404/);
  await context.clearCookies();
  await visit(page, "/d/nothing", 404);
});
