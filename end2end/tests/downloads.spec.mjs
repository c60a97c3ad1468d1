import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { test, expect, everybody, for_, DESKTOP, examine, visit } from "../support/test.mjs";
import { here } from "../support/stage.mjs";

// The address of the page of the link that was just made.
async function made(page) {
  await expect(page.getByRole("status")).toContainText("A link to the files, good until");
  await examine(page);
  const url = new URL(await page.locator("#new-link").textContent());
  return new URL(url.pathname.split("/").slice(0, 3).join("/"), url).href;
}

test("a link is made in the log, leads whoever has it to the file, and is taken back", everybody, async ({ page, guest, site, allowed }) => {
  allowed.push(/status of 410/);
  await page.goto(`/environments/${site.id}`);
  const row = page.getByRole("row").filter({ hasText: "Before the browser came" });
  await row.getByRole("button", { name: /^Get link to the files of/ }).click();
  const link = await made(page);

  await visit(guest, link);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText(`Files of ${site.title}`);
  const [download] = await Promise.all([guest.waitForEvent("download"), guest.getByRole("link", { name: /^Download / }).click()]);
  expect(download.suggestedFilename()).toMatch(/_live_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d_UTC_files\.tar\.gz$/);
  const bytes = readFileSync(await download.path());
  expect([...bytes.subarray(0, 2)]).toEqual([0x1f, 0x8b]);
  const tar = gunzipSync(bytes);
  expect(tar.includes(readFileSync(`${site.root}/media/2024/photo-3.png`)), "a picture of the site is in it").toBe(true);

  await page.goto(`/backups/${here().backup}`);
  await examine(page);
  await page.getByRole("button", { name: /^Revoke the link to the files/ }).click();
  await expect(page.getByRole("status")).toBeVisible();
  await visit(guest, link, 410);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText("This link is good no more");
});

test("a link whose time is over says so kindly, and is one click from a new one", everybody, async ({ page, guest, site, allowed }) => {
  allowed.push(/status of 4(01|10)/);
  const { expired } = here();
  await visit(guest, expired, 410);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText("This link has expired");
  await expect(guest.getByText(`It led to: Files of ${site.title}, and was good until `)).toBeVisible();
  await expect(guest.getByText("ask whoever sent it to you")).toBeVisible();
  // Whoever is not known here is asked who they are; nothing else happens.
  await guest.getByRole("button", { name: "Renew the link" }).click();
  await expect(guest.getByLabel("E-mail address")).toBeVisible();
  await examine(guest);

  await visit(page, expired, 410);
  await page.getByRole("button", { name: "Renew the link" }).click();
  await expect(page).toHaveURL(new RegExp(`/backups/${here().backup}\\?link=`));
  await visit(guest, await made(page));
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText(`Files of ${site.title}`);
  await expect(page.getByRole("row").filter({ hasText: "expired" })).toHaveCount(1);
});

test("a link that nobody made leads nowhere, and says so", for_(DESKTOP), async ({ guest, allowed }) => {
  allowed.push(/status of 404/);
  await visit(guest, `${here().base}/d/nothing`, 404);
});
