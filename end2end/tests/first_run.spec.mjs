import { test, expect, everybody, examine, visit } from "../support/test.mjs";
import { here } from "../support/stage.mjs";

test("the link that the server prints makes the first administrator, once", everybody, async ({ page, context, allowed }) => {
  allowed.push(/status of 4\d\d/);
  await context.clearCookies();
  const link = here().first;
  await visit(page, link);
  await page.getByLabel("E-mail address").fill("founder@example.test");
  await page.getByLabel("Your name").fill("Ada Founder");
  await page.getByLabel("Password").fill("password");
  await page.getByRole("button", { name: "Create the account" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await expect(page.getByLabel("E-mail address")).toHaveValue("founder@example.test");
  await expect(page.getByLabel("Your name")).toHaveValue("Ada Founder");
  await examine(page);
  await page.getByLabel("Password").fill("four pears under one tree");
  await page.getByRole("button", { name: "Create the account" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sites");
  await expect(page.getByRole("heading", { name: "No site yet" })).toBeVisible();
  await expect(page.getByRole("main").getByRole("link", { name: "Add a site" }).first()).toBeVisible();
  await examine(page);
  const again = await page.goto(link);
  expect(again.status()).toBeGreaterThanOrEqual(400);
  await examine(page);
});
