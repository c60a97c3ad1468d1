import { readFileSync } from "node:fs";
import { test, expect, everybody, examine, visit, comesTo } from "../support/test.mjs";

test("a drill proves the newest backup, and shows and hands out its evidence", everybody, async ({ page, site }) => {
  await visit(page, `/environments/${site.id}`);
  await page.getByRole("button", { name: "Run a drill now" }).first().click();
  await expect(page).toHaveURL(/\/drills\/drl_/);
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Drill of ${site.title}`);
  await comesTo(page, "passed");
  await expect(page.getByText("The backup was restored whole")).toBeVisible();
  await expect(page.getByRole("heading", { name: "What was compared" })).toBeVisible();
  await examine(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download the evidence" }).click()]);
  const evidence = JSON.parse(readFileSync(await download.path(), "utf8"));
  expect(JSON.stringify(evidence)).toContain("passed");
  await visit(page, `/environments/${site.id}`);
  await expect(page.getByText(/restored whole .*, on \d{4}-/).first()).toBeVisible();
  await page.getByRole("link", { name: "Evidence" }).first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`Drill of ${site.title}`);
});
