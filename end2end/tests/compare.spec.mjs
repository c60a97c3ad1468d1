import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test, expect, everybody, examine, visit, comesTo } from "../support/test.mjs";
import { backUp, here, look, sql } from "../support/stage.mjs";

test("what changed since a backup is seen, on the live site and between two backups", everybody, async ({ page, site }) => {
  const first = await backUp(site, "Before the changes");
  const edition = readFileSync(`${site.root}/EDITION`);
  appendFileSync(`${site.root}/EDITION`, "and more\n");
  writeFileSync(`${site.root}/media/2024/<b>new<b>.txt`, "12345");
  sql(site, "insert into notes (title, body, photo) values ('One more', 'x', '2024/photo-1.png')");

  await visit(page, `/backups/${first.id}`);
  await page.getByRole("link", { name: "What changed" }).click();
  await page.getByLabel("Compare with").selectOption({ label: "The live site, as it is now" });
  await page.getByRole("button", { name: "Compare" }).click();
  const main = page.getByRole("main");
  await expect(main).toContainText("1 file added (5 B), none changed, none removed.");
  await expect(page.getByRole("row").filter({ hasText: "files/media/2024/<b>new<b>.txt" })).toContainText("added");
  await expect(page.getByRole("row").filter({ hasText: "code/EDITION" })).toContainText("changed");
  await expect(page.getByRole("row").filter({ hasText: "notes" })).toBeVisible();
  await examine(page);

  const second = await backUp(site, "After the changes");
  await visit(page, `/backups/${second.id}/compare`);
  await expect(page.getByLabel("Compare with").locator("option:checked")).toContainText("Before the changes");
  await page.getByRole("link", { name: "code/EDITION" }).click();
  await expect(page.getByText("and more")).toBeVisible();

  rmSync(`${site.root}/media/2024/<b>new<b>.txt`);
  writeFileSync(`${site.root}/EDITION`, edition);
  sql(site, "delete from notes where title = 'One more'");
});

test("one picture that was lost is restored by itself, and the restore is undone", everybody, async ({ page, site, allowed }) => {
  test.setTimeout(240_000);
  allowed.push(/status of 400/);
  const healthy = look(site);
  writeFileSync(`${site.root}/media/2024/photo-4.png`, "not a picture");
  rmSync(`${site.root}/media/2024/photo-5.png`);
  const damaged = look(site);

  await visit(page, `/backups/${here().backup}/browse?element=files&path=files/media/2024`);
  await page.getByRole("link", { name: "photo-5.png", exact: true }).click();
  await page.getByRole("link", { name: "Restore this file…" }).click();
  await expect(page.getByRole("group", { name: "Only this" })).toContainText("files/media/2024/photo-5.png");
  await examine(page);
  await page.getByRole("button", { name: "Show what would be overwritten" }).click();
  const main = page.getByRole("main");
  await expect(main).toContainText("photo-5.png comes back, where nothing is now");
  await expect(main).toContainText("Everything else stays as it is");
  await examine(page);
  const go = page.getByRole("button", { name: new RegExp(`^Restore a part of ${site.title} to `) });
  await page.getByLabel(/^Type/).fill("another.live");
  await go.click();
  await expect(page.getByRole("alert")).toBeVisible();
  expect(look(site), "nothing was changed yet").toEqual(damaged);
  await page.getByLabel(/^Type/).fill(site.title);
  await go.click();
  await expect(page).toHaveURL(/\/restores\/rst_/);
  await comesTo(page, "succeeded");
  await examine(page);
  expect(look(site), "that picture alone is back").toEqual({ ...damaged, "media/2024/photo-5.png": healthy["media/2024/photo-5.png"] });

  await page.getByRole("button", { name: `Undo the restore of ${site.title}` }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Undo of ${site.title}`);
  await comesTo(page, "succeeded");
  expect(look(site), "the undo is exact").toEqual(damaged);

  await visit(page, `/backups/${here().backup}/browse?element=files&path=files/media/2024`);
  await page.getByRole("link", { name: "Restore this folder…" }).click();
  await page.getByRole("button", { name: "Show what would be overwritten" }).click();
  await page.getByLabel(/^Type/).fill(site.title);
  await page.getByRole("button", { name: new RegExp(`^Restore a part of ${site.title} to `) }).click();
  await comesTo(page, "succeeded");
  expect(look(site), "the folder is as it was").toEqual(healthy);
});
