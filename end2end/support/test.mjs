// What every test stands on: a page of somebody who is signed in, watched for errors; and `visit` and `examine`.
import { test as base, expect } from "@playwright/test";
import AxeBuilder from "@axe-core/playwright";
import { here, stage } from "./stage.mjs";

export { expect };

// The projects that a test is for.
export const for_ = (...names) => ({ tag: names.map((name) => `@${name}`) });
export const DESKTOP = "desktop", PHONE = "phone", PLAIN = "desktop-plain", PHONE_PLAIN = "phone-plain";
export const everybody = for_(DESKTOP, PHONE, PLAIN, PHONE_PLAIN);

export const scripts = () => test.info().project.use.javaScriptEnabled !== false;

// Errors on a page's console fail its test. A test that causes some on purpose says which.
function watch(page, errors) {
  page.on("pageerror", (error) => errors.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) errors.push(`${message.location().url}: ${message.text()}`);
  });
}

async function quietly(context, allowed, work) {
  const errors = [];
  context.on("page", (page) => watch(page, errors));
  await work();
  const wrong = errors.filter((error) => !allowed.some((pattern) => pattern.test(error)));
  expect(wrong, "errors on the console").toEqual([]);
}

export const test = base.extend({
  // The site of this project.
  site: async ({}, use) => use(here().site),

  // Where it is put by whoever may fail to be quiet: a list of patterns.
  allowed: async ({}, use) => use([]),

  context: async ({ context, allowed }, use) => {
    await quietly(context, allowed, () => use(context));
  },

  // A page of somebody without an account, in a browser of their own.
  guest: async ({ browser, allowed }, use, info) => {
    const { viewport, javaScriptEnabled, isMobile, hasTouch } = info.project.use;
    const context = await browser.newContext({ viewport, javaScriptEnabled, isMobile, hasTouch });
    await quietly(context, allowed, async () => use(await context.newPage()));
    await context.close();
  },

  // The page of somebody who is signed in.
  page: async ({ context, page, session }, use) => {
    await context.addCookies(session);
    await use(page);
  },

  // Signed in once for all tests of a project, by the form.
  session: [
    async ({ browser }, use, info) => {
      const context = await browser.newContext({ baseURL: stage.forms[info.project.name].base });
      const page = await context.newPage();
      await page.goto("/signin");
      await signIn(page);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Sites");
      await use((await context.cookies()).filter((cookie) => cookie.name.includes("sitekeep")));
      await context.close();
    },
    { scope: "worker" },
  ],
});

export async function signIn(page, password = stage.password) {
  await page.getByLabel("E-mail address").fill(stage.email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

// Goes to a page and examines it.
export async function visit(page, path, status = 200) {
  const answer = await page.goto(path);
  expect(answer.status(), path).toBe(status);
  await examine(page);
  return answer;
}

// Can everybody use it, does nothing scroll sideways, is it named by one heading?
export async function examine(page) {
  if (scripts()) await accessible(page, page.url());
  else await accessible(await twin(page), page.url());
  expect(await sideways(page), `${page.url()} scrolls sideways`).toBeLessThanOrEqual(0);
  await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
}

// By how many pixels a page is wider than its window. One that loads itself anew just then is asked again.
export async function sideways(page) {
  const look = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  return look().catch((e) => (String(e).includes("context was destroyed") ? look() : Promise.reject(e)));
}

// The rules look by a script in the page, and need its clock: both are there in a second browser of the same size, which
// shows the document as it stands before a reader without scripts, and lets none of ours in.
const twins = new WeakMap();
async function twin(page) {
  const browser = page.context().browser();
  const { viewport, isMobile, hasTouch } = test.info().project.use;
  if (!twins.has(browser)) twins.set(browser, await (await browser.newContext({ viewport, isMobile, hasTouch, javaScriptEnabled: true })).newPage());
  const other = twins.get(browser);
  const body = await page.content();
  await other.unrouteAll();
  await other.route("**/*", (route) => {
    if (route.request().resourceType() === "script") return route.abort();
    return route.request().isNavigationRequest() ? route.fulfill({ contentType: "text/html; charset=utf-8", body }) : route.continue();
  });
  await other.goto(page.url().split("#")[0]);
  return other;
}

// WCAG 2.2 AA as far as a machine can tell.
async function accessible(page, url) {
  const axe = new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]).setLegacyMode();
  const { violations } = await axe.analyze();
  const found = violations.flatMap((v) => v.nodes.map((node) => `${v.id}: ${node.html} ${node.failureSummary}`));
  expect(found, `accessibility of ${url}`).toEqual([]);
}

// The state in a page's heading comes to be this, by events or by reading the page anew.
export async function comesTo(page, state) {
  await expect(page.locator("#state .state")).toHaveText(state, { timeout: 45_000 });
}

// Marks the document: whoever finds the mark later has the same one, which was never loaded again.
export const mark = (page) => page.evaluate(() => void (document.body.dataset.marked = "yes"));
export const isMarked = (page) => page.evaluate(() => document.body.dataset.marked === "yes");
