import { test, expect, everybody, examine, visit } from "../support/test.mjs";

test("the sites are listed with their states, and are found by name and state", everybody, async ({ page, site }) => {
  await visit(page, "/");
  const all = page.getByRole("rowheader").getByRole("link");
  await expect(all).toHaveCount(2);
  await page.getByLabel("Name contains").fill(site.title.split(".")[0]);
  await page.getByRole("button", { name: "Show" }).click();
  await expect(all).toHaveText([site.title]);
  await page.getByLabel("Name contains").fill("no such site");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page.getByRole("heading", { name: "No environment is like this" })).toBeVisible();
  await examine(page);
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(all).toHaveCount(2);
  await page.getByLabel("State").selectOption("unprotected");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(all).toHaveText(["leaflet.live"]);
});
