import { test, expect, for_, DESKTOP, PLAIN, scripts, comesTo } from "../support/test.mjs";

// Tab until what has the focus has this name; every stop on the way shows that it has the focus.
async function tabTo(page, name) {
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement, style = getComputedStyle(e);
      const shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
      return { name: (e.labels?.[0] ?? e).textContent.replace(/\s+/g, " ").trim(), shown, html: e.outerHTML.slice(0, 200) };
    });
    expect(at.shown, `the focus cannot be seen on ${at.html}`).toBe(true);
    if (at.name.startsWith(name)) return;
  }
  throw new Error(`${name} cannot be reached by Tab`);
}

test("a backup is created without a mouse", for_(DESKTOP, PLAIN), async ({ page, site }) => {
  await page.goto("/");
  await tabTo(page, "Skip to the content");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#main$/);
  await tabTo(page, site.title);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toContainText(site.title);
  await tabTo(page, `Create a backup of ${site.title}`);
  await page.keyboard.press("Enter");
  if (scripts()) {
    const dialog = page.getByRole("dialog");
    await expect(dialog).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(dialog).toBeHidden();
    await expect(page.getByRole("link", { name: `Create a backup of ${site.title}` })).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(dialog).toBeVisible();
  } else {
    await expect(page).toHaveURL(/\/backup$/);
  }
  await tabTo(page, "Note");
  await page.keyboard.type("Typed without a mouse");
  await tabTo(page, `Create the backup of ${site.title}`);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/backups\/bak_/);
  await comesTo(page, "succeeded");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Typed without a mouse");
});
