import { test, expect, everybody, scripts, examine, visit } from "../support/test.mjs";

const form = (page) => page.locator("form[data-previews]");

test("a schedule is tried before it is saved, and says when backups are made next", everybody, async ({ page, site }) => {
  await visit(page, `/environments/${site.id}`);
  await page.getByRole("link", { name: "Schedule", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(`Schedule of ${site.title}`);
  await form(page).getByLabel("Once a week").check();
  await form(page).getByLabel("Day of the weekly backup").selectOption("Friday");
  await form(page).getByLabel("Hour", { exact: true }).selectOption("4");
  await form(page).getByLabel("Time zone of the hour").selectOption("Europe/Berlin");
  // With scripts what it means is shown at once; a button shows it to everybody.
  if (!scripts()) await page.getByRole("button", { name: "Preview" }).click();
  const next = page.locator("#upcoming");
  await expect(next).toContainText("The next runs, if you save this");
  await expect(next.getByRole("listitem")).toHaveCount(5);
  await expect(next.getByRole("listitem").first()).toContainText(/Fri \d{4}-\d\d-\d\d 04:[0-2]\d CES?T/);
  await examine(page);
  await page.getByRole("button", { name: `Save the schedule of ${site.title}` }).click();
  await expect(page.getByRole("status")).toContainText("every Friday at 04:");
  await expect(next).not.toContainText("if you save this");
  await visit(page, `/environments/${site.id}`);
  await expect(page.getByText(/Every Friday at 04:\d\d \(Europe\/Berlin\)/)).toBeVisible();
});

test("switched off it keeps what it says, and another one is followed again", everybody, async ({ page, site }) => {
  await visit(page, `/environments/${site.id}/schedule`);
  await form(page).getByLabel("Make backups automatically").uncheck();
  await form(page).getByLabel("Hour", { exact: true }).selectOption("5");
  await page.getByRole("button", { name: `Save the schedule of ${site.title}` }).click();
  await expect(page.getByRole("status")).toContainText("switched off");
  await expect(form(page).getByLabel("Hour", { exact: true })).toHaveValue("5");
  await page.getByRole("button", { name: /^Follow / }).click();
  await expect(page.getByRole("status")).toContainText("counts from now on");
  await expect(form(page).getByLabel("Make backups automatically")).toBeChecked();
});

test("a run is begun by hand", everybody, async ({ page, site }) => {
  await visit(page, `/environments/${site.id}/schedule`);
  await page.getByRole("button", { name: /^Run now/ }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Run of the schedule by hand");
});
