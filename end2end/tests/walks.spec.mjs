import { test, expect, everybody, for_, DESKTOP, PHONE, sideways, visit } from "../support/test.mjs";
import { outside, pages, parts } from "../support/pages.mjs";
import { here } from "../support/stage.mjs";

for (const part of parts) {
  test(`the pages of ${part} can be read by everybody, and none scrolls sideways`, everybody, async ({ page, site }) => {
    test.setTimeout(300_000);
    for (const path of await pages(part, site)) await visit(page, path);
  });

  test(`the pages of ${part} in the dark, too`, for_(DESKTOP), async ({ page, site }) => {
    test.setTimeout(300_000);
    await page.emulateMedia({ colorScheme: "dark" });
    for (const path of await pages(part, site)) await visit(page, path);
  });

  test(`the pages of ${part} at 320 pixels do not scroll sideways`, for_(PHONE), async ({ page, site }) => {
    await page.setViewportSize({ width: 320, height: 640 });
    for (const path of await pages(part, site)) {
      await page.goto(path);
      expect(await sideways(page), path).toBeLessThanOrEqual(0);
    }
  });
}

test("the pages for those who are not signed in, and for what is not there", everybody, async ({ page, guest, allowed }) => {
  allowed.push(/status of 404/);
  await visit(page, "/backups/bak_nowhere", 404);
  await visit(page, "/nowhere", 404);
  for (const path of outside) await visit(guest, here().base + path);
});

test("the first visit of a page takes 20 kB at most, with style sheet and script", for_(DESKTOP), async ({ page, context, site }) => {
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  client.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  const weights = [];
  const all = await Promise.all(parts.map((part) => pages(part, site)));
  for (const path of all.flat()) {
    bytes = 0;
    await page.goto(path, { waitUntil: "load" });
    await page.waitForTimeout(300);
    weights.push([path.replace(/_[0-9a-z]{8,}/g, "_…").slice(0, 60), bytes]);
  }
  console.log(weights.map(([path, weight]) => `    ${String(weight).padStart(6)} bytes ${path}`).join("\n"));
  for (const [path, weight] of weights) expect(weight, path).toBeLessThanOrEqual(20_000);
});
