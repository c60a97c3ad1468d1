import { test, expect, everybody, examine, visit } from "../support/test.mjs";
import { api } from "../support/stage.mjs";

const form = (page) => page.locator("form").filter({ has: page.getByRole("heading", { name: "Change the rules" }) });
const scheduled = (page) => form(page).getByRole("group", { name: "Scheduled backups" });
const demanded = (page) => form(page).getByRole("group", { name: "On demand" });

async function open(page, site) {
  await visit(page, `/environments/${site.id}`);
  await page.getByRole("link", { name: "What is kept, and space" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`What is kept of ${site.title}`);
  await form(page).getByLabel("Follow the tenant's rules").uncheck();
}

test("rules are tried on the real backups before they are saved", everybody, async ({ page, site }) => {
  const before = await api(`/environments/${site.id}/retention`);
  await open(page, site);
  await expect(page.getByRole("row").filter({ hasText: "Before the browser came" }).or(page.locator("#simulation tbody tr")).first()).toBeVisible();
  await demanded(page).getByLabel("The newest ones", { exact: true }).check();
  await demanded(page).locator("[name='on_demand.keep_last.count']").fill("1");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(page.getByRole("heading", { name: "What these rules would do" })).toBeVisible();
  await expect(page.locator("#simulation")).toContainText(/\d+ of \d+ backups? would go; by the rules in force 0 go\./);
  await expect(page.locator("#simulation tbody tr")).toHaveCount((await api(`/environments/${site.id}/backups?limit=500`)).length);
  await examine(page);
  // It was only tried: what was chosen stands in the form, and what is in force is what it was.
  await expect(demanded(page).getByLabel("The newest ones", { exact: true })).toBeChecked();
  expect(await api(`/environments/${site.id}/retention`)).toEqual(before);

  await demanded(page).getByLabel("All of the last days, and the newest ones for ever").check();
  await scheduled(page).locator("[name='scheduled.promote_oldest.daily']").fill("9");
  await page.getByRole("button", { name: "Save the rules" }).click();
  await expect(page.getByRole("status").first()).toContainText("The rules are saved.");
  const after = await api(`/environments/${site.id}/retention`);
  expect(after.follows).toBe(false);
  expect(JSON.stringify(after.rules.scheduled)).toContain("9");
  await examine(page);
});

test("rules that mean nothing are refused and stay as they were typed", everybody, async ({ page, site, allowed }) => {
  allowed.push(/400 \(Bad Request\)/);
  const before = await api(`/environments/${site.id}/retention`);
  await open(page, site);
  await form(page).getByLabel("Zone of days and weeks").fill("Europe/Atlantis");
  await form(page).getByLabel("Days in the trash").fill("12");
  await page.getByRole("button", { name: "Save the rules" }).click();
  await expect(page.getByRole("alert")).toContainText("Europe/Atlantis");
  await expect(form(page).getByLabel("Zone of days and weeks")).toHaveValue("Europe/Atlantis");
  await expect(form(page).getByLabel("Days in the trash")).toHaveValue("12");
  expect(await api(`/environments/${site.id}/retention`)).toEqual(before);
  await examine(page);
});
