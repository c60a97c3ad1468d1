import { test, expect, everybody, for_, DESKTOP, PLAIN, PHONE_PLAIN, examine, visit, scripts, comesTo, mark, isMarked } from "../support/test.mjs";
import { api, backUp, point } from "../support/stage.mjs";

const backups = (site) => api(`/environments/${site.id}/backups?limit=500`);

// With scripts the form is a dialog above the log, without them a page of its own.
async function openForm(page, site) {
  await page.getByRole("link", { name: `Create a backup of ${site.title}` }).click();
  if (!scripts()) return page.locator("main");
  const dialog = page.getByRole("dialog", { name: `Create a backup of ${site.title}` });
  await expect(dialog).toBeVisible();
  return dialog;
}

async function create(page, site, note) {
  await page.goto(`/environments/${site.id}`);
  const form = await openForm(page, site);
  await form.getByLabel("Note").fill(note);
  await form.getByRole("button", { name: `Create the backup of ${site.title}` }).click();
  await expect(page).toHaveURL(/\/backups\/bak_/);
}

const row = (page, text) => page.getByRole("row").filter({ hasText: text });

test("a backup with a note is created, watched to its end, found in the log, renamed and pinned", everybody, async ({ page, site }) => {
  await visit(page, `/environments/${site.id}`);
  const form = await openForm(page, site);
  await examine(page);
  await form.getByLabel("Note").fill("Before the spring sale");
  await form.getByLabel("6 months").check();
  point.hold("backup.element.stored");
  await form.getByRole("button", { name: `Create the backup of ${site.title}` }).click();
  await point.reached("backup.element.stored");
  await comesTo(page, "running");
  await examine(page);
  if (scripts()) await mark(page);
  else await expect(page.locator("meta[http-equiv=refresh]")).toHaveCount(1);
  point.go("backup.element.stored");
  await comesTo(page, "succeeded");
  if (scripts()) expect(await isMarked(page), "it came right without being loaded again").toBe(true);
  else await expect(page.locator("meta[http-equiv=refresh]")).toHaveCount(0);
  await examine(page);
  await expect(page.getByText("the newest good backup, which never goes").first()).toBeVisible();

  await page.getByText("Change the note").click();
  await page.getByLabel("Note", { exact: true }).fill("Before the summer sale");
  await page.getByRole("button", { name: "Save the note" }).click();
  await expect(page.getByRole("status")).toContainText("The note is saved.");
  await page.getByRole("button", { name: "Pin this backup" }).click();
  await expect(page.getByRole("status")).toContainText("it never expires");

  await visit(page, `/environments/${site.id}`);
  const line = row(page, "Before the summer sale");
  await expect(line).toHaveCount(1);
  await expect(line.getByText("succeeded", { exact: true })).toBeVisible();
  await line.getByRole("button", { name: /^Unpin the backup of/ }).click();
  await expect(page.getByRole("status")).toContainText("not pinned any more");
});

test("a note with markup is shown as it was typed", for_(DESKTOP, PHONE_PLAIN), async ({ page, site }) => {
  const note = `<img src=x onerror=alert(1)></textarea><script>alert(2)</script> & "quotes"`;
  page.on("dialog", () => expect("a script in a note").toBe("text"));
  await create(page, site, note);
  await expect(page.getByRole("heading", { level: 1 })).toContainText(note);
  await comesTo(page, "succeeded");
  await page.getByText("Change the note").click();
  await expect(page.getByLabel("Note", { exact: true })).toHaveValue(note);
  await page.goto(`/environments/${site.id}`);
  await expect(row(page, note)).toHaveCount(1);
  await page.goto(`/environments/${site.id}/restore`);
  await expect(page.getByRole("radio", { name: note })).toHaveCount(1);
});

test("what is wrong about a form is said, and what was typed is kept", for_(DESKTOP, PHONE_PLAIN), async ({ page, site, allowed }) => {
  allowed.push(/status of 400/);
  await visit(page, `/environments/${site.id}/backup`);
  await page.getByLabel("Note").fill("Typed with care");
  await page.getByLabel("A number of days").check();
  await page.getByLabel("Number of days", { exact: true }).fill("many");
  await page.getByLabel("Files").uncheck();
  await page.getByRole("button", { name: /^Create the backup/ }).click();
  await expect(page.getByRole("alert")).toContainText("is not a number of days");
  await expect(page.getByLabel("Note")).toHaveValue("Typed with care");
  await expect(page.getByLabel("A number of days")).toBeChecked();
  await expect(page.getByLabel("Files")).not.toBeChecked();
  await examine(page);
});

test("a backup goes into the trash and comes back", for_(DESKTOP, PHONE_PLAIN), async ({ page, site }) => {
  const backup = await backUp(site, "To be thrown away");
  await backUp(site, "The newest good one, which never goes");
  await page.goto(`/backups/${backup.id}`);
  await page.getByRole("button", { name: /^Delete the backup of/ }).click();
  await expect(page.getByRole("status")).toBeVisible();
  await page.goto(`/environments/${site.id}`);
  await expect(row(page, "To be thrown away")).toHaveCount(0);
  await page.getByRole("link", { name: "Trash" }).click();
  await examine(page);
  await row(page, "To be thrown away").getByRole("button", { name: /^Take back/ }).click();
  await visit(page, `/environments/${site.id}`);
  await expect(row(page, "To be thrown away")).toHaveCount(1);
});

test("a job is cancelled", for_(DESKTOP, PLAIN), async ({ page, site }) => {
  point.hold("backup.begin");
  await create(page, site, "To be cancelled");
  await point.reached("backup.begin");
  await page.goto("/jobs");
  await page.getByRole("row").filter({ hasText: site.title }).first().getByRole("button", { name: /^Cancel/ }).click();
  await expect(page.getByText("It was asked to end, and does so at the next safe point.")).toBeVisible();
  await examine(page);
  point.go("backup.begin");
  await comesTo(page, "cancelled");
  await examine(page);
});

test("a double click creates one backup", for_(DESKTOP, PLAIN), async ({ page, site }) => {
  const before = (await backups(site)).length;
  await page.goto(`/environments/${site.id}/backup`);
  await page.getByLabel("Note").fill("Twice");
  await page.getByRole("button", { name: /^Create the backup/ }).dblclick();
  await expect(page).toHaveURL(/\/backups\/bak_/);
  await comesTo(page, "succeeded");
  expect((await backups(site)).length).toBe(before + 1);
});

test("the back button after creating asks nothing and creates nothing", for_(DESKTOP, PLAIN), async ({ page, site }) => {
  await page.goto(`/environments/${site.id}/backup`);
  await page.getByLabel("Note").fill("Once");
  await page.getByRole("button", { name: /^Create the backup/ }).click();
  await comesTo(page, "succeeded");
  const count = (await backups(site)).length;
  await page.goBack();
  await expect(page).toHaveURL(/\/backup$/);
  await page.goForward();
  await comesTo(page, "succeeded");
  await page.reload();
  expect((await backups(site)).length).toBe(count);
});

test("two tabs: one follows what the other does, and an act that comes too late is told kindly", for_(DESKTOP), async ({ page, context, site }) => {
  const other = await context.newPage();
  await page.goto(`/environments/${site.id}`);
  await mark(page);
  await create(other, site, "In two tabs");
  await expect(row(page, "In two tabs").getByText("succeeded", { exact: true })).toBeVisible();
  expect(await isMarked(page)).toBe(true);
  await comesTo(other, "succeeded");
  const rename = async (note) => {
    await other.getByText("Change the note").click();
    await other.getByLabel("Note", { exact: true }).fill(note);
    await other.getByRole("button", { name: "Save the note" }).click();
  };
  await rename("Renamed elsewhere");
  await expect(row(page, "Renamed elsewhere")).toHaveCount(1);
  expect(await isMarked(page)).toBe(true);
  await page.goto(other.url());
  await mark(page);
  await rename("Renamed once more");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Renamed once more");
  await other.getByRole("button", { name: "Pin this backup" }).click();
  await other.getByRole("button", { name: "Unpin this backup" }).click();
  await expect(page.getByRole("button", { name: "Pin this backup", exact: true })).toBeVisible();
  expect(await isMarked(page)).toBe(true);
  await backUp(site, "The newest good one, which never goes");
  await other.getByRole("button", { name: /^Delete the backup of/ }).click();
  await expect(other.getByText("This backup is in the trash")).toBeVisible();
  // Without scripts the first tab would still show the button.
  const answer = await page.request.post(`${new URL(page.url()).pathname}/delete`, { headers: { origin: new URL(page.url()).origin } });
  expect(answer.status()).toBe(200);
  await expect(page.getByText("This backup is in the trash")).toBeVisible();
});
