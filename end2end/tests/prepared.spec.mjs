import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test, expect, everybody, examine, mark, isMarked, scripts, visit } from "../support/test.mjs";
import { api, backUp, here, until } from "../support/stage.mjs";

// The page of the link that was just made.
async function made(page) {
  const url = new URL(await page.locator("#new-link").textContent());
  return { file: url.href, page: new URL(url.pathname.split("/").slice(0, 3).join("/"), url).href };
}

test("a download is prepared, shown when it is ready, and taken by somebody without an account", everybody, async ({ page, guest, site, allowed }) => {
  allowed.push(/status of 410/);
  const backup = await backUp(site, "To be sent to somebody");
  await visit(page, `/environments/${site.id}`);
  await page.getByRole("row").filter({ hasText: "To be sent to somebody" }).getByRole("link", { name: /^Prepare download/ }).click();
  await expect(page).toHaveURL(new RegExp(`/backups/${backup.id}`));
  await page.getByRole("checkbox", { name: /^Database/ }).uncheck();
  await page.getByRole("checkbox", { name: /^Code/ }).uncheck();
  await page.getByLabel("Each may be used").selectOption("3 times");
  await examine(page);
  await page.getByRole("button", { name: "Prepare the download" }).click();
  await expect(page.getByText("The download is being prepared.")).toBeVisible();
  if (scripts()) await mark(page);
  await expect(page.getByText("The download of the files is ready")).toBeVisible({ timeout: 45_000 });
  if (scripts()) expect(await isMarked(page), "the page was followed, not loaded anew").toBe(true);
  await examine(page);

  const [download] = await api(`/backups/${backup.id}/downloads`);
  const { size, sha256, filename } = download.archives[0];
  await expect(page.getByText(sha256)).toBeVisible();
  await page.getByRole("button", { name: /^Get link to the files as tar\.gz/ }).click();
  const link = await made(page);
  await examine(page);

  await visit(guest, link.page);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText(`Files of ${site.title}`);
  for (const word of [filename, sha256]) await expect(guest.getByText(word, { exact: true })).toBeVisible();
  const [taken] = await Promise.all([guest.waitForEvent("download"), guest.getByRole("link", { name: /^Download / }).click()]);
  const bytes = readFileSync(await taken.path());
  expect([taken.suggestedFilename(), bytes.length]).toEqual([filename, size]);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
  const rest = await fetch(link.file, { headers: { range: "bytes=10-", "if-range": `"${sha256}"` } });
  expect([rest.status, rest.headers.get("content-range")]).toEqual([206, `bytes 10-${size - 1}/${size}`]);
  expect(Buffer.from(await rest.arrayBuffer()).equals(bytes.subarray(10))).toBe(true);

  await page.getByRole("button", { name: /^Remove the files as tar\.gz/ }).click();
  await expect(page.getByText("The prepared download is removed")).toBeVisible();
  await visit(guest, link.page, 410);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText("This link is good no more");
});

test("a link that is good for one says that it is used up, and is one click from a new one", everybody, async ({ page, guest, site, allowed }) => {
  allowed.push(/status of 410/);
  const asked = await api(`/backups/${here().backup}/downloads`, { elements: ["code"], form: "tar.zst" });
  const ready = await until("the download", async () => {
    const download = await api(`/downloads/${asked.id}`);
    return download.state === "ready" && download;
  });
  const link = await api(`/archives/${ready.archives[0].id}/links`, { uses: 1 });
  await visit(guest, link.page);
  await expect(guest.getByText(", for one download")).toBeVisible();
  expect((await (await fetch(link.url)).arrayBuffer()).byteLength).toBe(ready.archives[0].size);
  await visit(guest, link.page, 410);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText("This link is used up");
  await visit(page, link.page, 410);
  await page.getByRole("button", { name: "Renew the link" }).click();
  await expect(page).toHaveURL(new RegExp(`/backups/${here().backup}\\?link=`));
  await visit(guest, (await made(page)).page);
  await expect(guest.getByRole("heading", { level: 1 })).toHaveText(`Code of ${site.title}`);
});
