import { test, expect, everybody, examine, visit, scripts, comesTo, mark, isMarked } from "../support/test.mjs";
import { backUp, damage, look, point } from "../support/stage.mjs";

test("a damaged site is restored from a list of radio buttons, and the restore is undone", everybody, async ({ page, site, allowed }) => {
  test.setTimeout(240_000);
  allowed.push(/status of 4(00|09)/);
  await backUp(site, "While all was well");
  const healthy = look(site);
  damage(site);
  const damaged = look(site);
  expect(damaged).not.toEqual(healthy);

  await page.goto(`/environments/${site.id}`);
  await page.getByRole("link", { name: `Restore ${site.title}…` }).click();
  await page.getByRole("radio", { name: /^\d{4}-\d\d-\d\d \d\d:\d\d [A-Z]{3,4} - While all was well/ }).check();
  await examine(page);
  await page.getByRole("button", { name: "Show what would be overwritten" }).click();

  const main = page.getByRole("main");
  for (const element of ["Code", "Database", "Files"]) await expect(page.getByRole("heading", { name: element, exact: true })).toBeVisible();
  await expect(main).toContainText("intruder.html");
  await examine(page);
  const go = page.getByRole("button", { name: new RegExp(`^Restore ${site.title} to `) });
  await page.getByLabel(/^Type/).fill("another.live");
  await go.click();
  await expect(page.getByRole("alert")).toBeVisible();
  await examine(page);
  expect(look(site), "nothing was changed yet").toEqual(damaged);
  await page.getByLabel(/^Type/).fill(site.title);
  point.hold("restore.check_data.started");
  await go.click();
  await expect(page).toHaveURL(/\/restores\/rst_/);
  await point.reached("restore.check_data.started");
  await expect(page.locator(".steps [data-state=done]").first()).toBeVisible();
  await expect(page.locator(".steps [data-state=started]")).toHaveCount(1);
  await examine(page);
  if (scripts()) await mark(page);
  point.go("restore.check_data.started");
  await comesTo(page, "succeeded");
  if (scripts()) expect(await isMarked(page)).toBe(true);
  await examine(page);
  expect(look(site), "the site is as it was backed up").toEqual(healthy);
  expect(await (await fetch(site.url)).text()).toContain("Note 6");

  await page.getByRole("button", { name: `Undo the restore of ${site.title}` }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Undo of ${site.title}`);
  await comesTo(page, "succeeded");
  await examine(page);
  expect(look(site), "the undo is exact").toEqual(damaged);
  await page.getByRole("link", { name: "this restore" }).click();
  await expect(page.getByText("It was undone")).toBeVisible();

  // And once more the other way round: the undo is undone.
  await page.goBack();
  await page.getByRole("button", { name: `Undo the undo of ${site.title}` }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Undo of ${site.title}`);
  await comesTo(page, "succeeded");
  expect(look(site)).toEqual(healthy);

  await visit(page, `/environments/${site.id}`);
  await expect(page.getByRole("row").filter({ hasText: "Generated before being restored to a previous version" }).first()).toBeVisible();
});
