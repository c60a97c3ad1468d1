import { readFileSync } from "node:fs";
import { test, expect, everybody, examine, visit } from "../support/test.mjs";
import { stage } from "../support/stage.mjs";

test.use({ allowed: [/status of 400/] });

test("the recovery key of a site is downloaded and entered once", everybody, async ({ page }) => {
  await visit(page, "/?q=leaflet");
  await expect(page.getByText("There is no good backup yet, and its recovery key was never confirmed")).toBeVisible();
  await page.getByRole("rowheader").getByRole("link", { name: "leaflet.live" }).click();
  await page.getByRole("link", { name: "Download it and enter it once" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Recovery key of acme/leaflet");
  await examine(page);
  await page.getByLabel("Your present password").fill(stage.password);
  const button = page.getByRole("button", { name: "Download the recovery key of leaflet" });
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  expect(download.suggestedFilename()).toBe("acme_leaflet_recovery-key.txt");
  const key = readFileSync(await download.path(), "utf8").trim();
  await page.getByLabel("Recovery key", { exact: true }).fill("another");
  await page.getByRole("button", { name: "Confirm that I have it" }).click();
  await expect(page.getByRole("alert")).toContainText("This is not the recovery key of acme/leaflet");
  await examine(page);
  await page.getByLabel("Recovery key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Confirm that I have it" }).click();
  await expect(page.getByText("The recovery key of acme/leaflet is confirmed.")).toBeVisible();
  await expect(page.getByText(/entered it just now/)).toBeVisible();
  await examine(page);
  await visit(page, "/?q=leaflet");
  await expect(page.getByText("There is no good backup yet", { exact: false })).toBeVisible();
  await expect(page.getByText("was never confirmed")).toHaveCount(0);
});
