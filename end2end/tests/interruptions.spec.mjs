import { test, expect, for_, DESKTOP, PHONE_PLAIN, examine, signIn, comesTo, mark, isMarked } from "../support/test.mjs";
import { here, point, restartServer } from "../support/stage.mjs";

test("a session that ends while a form is filled in loses nothing that was typed", for_(DESKTOP, PHONE_PLAIN), async ({ page, context, site, allowed }) => {
  allowed.push(/status of 401/);
  await page.goto(`/environments/${site.id}/backup`);
  await page.getByLabel("Note").fill("A long & careful note,\nin two lines");
  await page.getByLabel("Code").uncheck();
  await context.clearCookies();
  await page.getByRole("button", { name: /^Create the backup/ }).click();
  await expect(page.getByRole("alert")).toContainText("Your session has ended");
  await examine(page);
  await signIn(page);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("You are signed in again");
  await expect(page.getByText("A long & careful note,")).toBeVisible();
  await examine(page);
  await page.getByRole("button", { name: "Send it now" }).click();
  await comesTo(page, "succeeded");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("A long & careful note,");
  await expect(page.getByRole("rowheader", { name: "code" })).toHaveCount(0);
});

test("a server that is killed and starts again is found again by the page that follows a job", for_(DESKTOP), async ({ page, site, allowed }) => {
  test.setTimeout(240_000);
  allowed.push(/ERR_(INCOMPLETE_CHUNKED_ENCODING|CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)/);
  point.hold("backup.element.stored");
  await page.goto(`/environments/${site.id}/backup`);
  await page.getByRole("button", { name: /^Create the backup/ }).click();
  await point.reached("backup.element.stored");
  await comesTo(page, "running");
  await mark(page);
  await restartServer();
  point.go("backup.element.stored");
  await comesTo(page, "succeeded");
  expect(await isMarked(page), "it came right without being loaded again").toBe(true);
  expect(new URL(page.url()).origin).toBe(new URL(here().base).origin);
});
