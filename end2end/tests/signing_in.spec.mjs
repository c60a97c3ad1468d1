import { test, expect, everybody, examine, visit, signIn } from "../support/test.mjs";
import { stage } from "../support/stage.mjs";

test("a wrong password is refused, the right one leads to where one wanted to go", everybody, async ({ page, context, allowed }) => {
  allowed.push(/status of 401/);
  await context.clearCookies();
  await visit(page, "/jobs?state=failed");
  await expect(page).toHaveURL(/\/signin\?next=/);
  await signIn(page, "not the password");
  await expect(page.getByRole("alert")).toBeVisible();
  await expect(page.getByLabel("E-mail address")).toHaveValue(stage.email);
  await expect(page.getByLabel("Password")).toHaveValue("");
  await examine(page);
  await signIn(page);
  await expect(page).toHaveURL(/\/jobs\?state=failed$/);
  await expect(page.getByLabel("State")).toHaveValue("failed");
});

test("whoever signs out is out, also by the back button", everybody, async ({ page, context }) => {
  await context.clearCookies();
  await page.goto("/signin");
  await signIn(page);
  await page.locator("summary", { hasText: stage.email }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in");
  await page.goBack();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sign in");
});
