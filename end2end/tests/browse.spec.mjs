import { readFileSync } from "node:fs";
import { test, expect, everybody, examine, visit } from "../support/test.mjs";
import { here } from "../support/stage.mjs";

const lookInside = async (page, element) => {
  await visit(page, `/backups/${here().backup}`);
  await page.getByRole("link", { name: `Look inside the ${element}` }).click();
};
const open = (page, name) => page.getByRole("rowheader", { name, exact: true }).getByRole("link").click();

test("one picture is found inside of a backup, looked at, and downloaded by somebody without an account", everybody, async ({ page, guest, site }) => {
  await lookInside(page, "files");
  for (const folder of ["media/", "2024/"]) {
    await examine(page);
    await open(page, folder);
  }
  await examine(page);
  await open(page, "photo-3.png");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("photo-3.png");
  const picture = page.getByRole("img", { name: "photo-3.png" });
  await expect(picture).toBeVisible();
  expect(await picture.evaluate((img) => img.naturalWidth), "it is a picture").toBeGreaterThan(0);
  await examine(page);
  await page.getByRole("button", { name: /^Get link/ }).click();
  await expect(page.getByRole("status")).toContainText("photo-3.png");
  const url = new URL(await page.locator("#new-link").textContent());
  await visit(guest, new URL(url.pathname.split("/").slice(0, 3).join("/"), url).href);
  const [download] = await Promise.all([guest.waitForEvent("download"), guest.getByRole("link", { name: /^Download / }).click()]);
  expect(readFileSync(await download.path()).equals(readFileSync(`${site.root}/media/2024/photo-3.png`)), "byte for byte").toBe(true);
  await page.getByRole("link", { name: "All versions" }).click();
  await expect(page.getByText(/^It is in \d+ backups?, with 1 different content\.$/)).toBeVisible();
  await examine(page);
});

test("a name is searched for, and the tables of a database are counted", everybody, async ({ page }) => {
  await lookInside(page, "files");
  await page.getByLabel("A part of a name in the files").fill("PHOTO-3");
  await page.getByRole("button", { name: "Search the files" }).click();
  await expect(page.getByRole("link", { name: /photo-3\.png/ })).toHaveCount(1);
  await examine(page);
  await lookInside(page, "database");
  await expect(page.getByRole("rowheader", { name: "notes", exact: true })).toBeVisible();
  await examine(page);
});
