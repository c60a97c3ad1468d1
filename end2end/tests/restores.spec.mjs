import { test, expect, everybody, for_, DESKTOP, PHONE, PLAIN, PHONE_PLAIN, examine, visit, scripts, comesTo, mark, isMarked } from "../support/test.mjs";
import { api, backUp, damage, look, point } from "../support/stage.mjs";

// What the site was before the first journey, for the second one.
let healthy;

test("a damaged site is restored from a list of radio buttons, and the restore is undone", everybody, async ({ page, site, allowed }) => {
  test.setTimeout(240_000);
  allowed.push(/status of 4(00|09)/);
  await backUp(site, "While all was well");
  healthy = look(site);
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

  await visit(page, `/environments/${site.id}`);
  await expect(page.getByRole("row").filter({ hasText: "Generated before being restored to a previous version" }).first()).toBeVisible();
});

test("an undo is undone in turn", for_(DESKTOP, PHONE_PLAIN), async ({ page, site }) => {
  const [undo] = await api(`/environments/${site.id}/restores`);
  expect(undo.kind, "the journey before ends with one").toBe("undo");
  await page.goto(`/restores/${undo.id}`);
  await page.getByRole("button", { name: `Undo the undo of ${site.title}` }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Undo of ${site.title}`);
  await comesTo(page, "succeeded");
  expect(look(site)).toEqual(healthy);
});

test("a restore for which no element was chosen is asked about again", for_(PHONE, PLAIN), async ({ page, site, allowed }) => {
  allowed.push(/status of 400/);
  await page.goto(`/environments/${site.id}/restore`);
  await page.getByRole("radio", { name: /Before the browser came/ }).check();
  for (const element of ["Code", "Database", "Files"]) await page.getByRole("checkbox", { name: element }).uncheck();
  await page.getByRole("button", { name: "Show what would be overwritten" }).click();
  await expect(page.getByRole("alert")).toContainText("Nothing was chosen to be restored");
  await expect(page.getByRole("radio", { name: /Before the browser came/ })).toBeChecked();
  await examine(page);
});
