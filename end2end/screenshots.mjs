// Screenshots of the demo, which is started here and makes some history first.
//   node end2end/screenshots.mjs                    the README's pictures, into docs/screenshots/
//   node end2end/screenshots.mjs --every DIRECTORY  every page at a desk and on a phone, for review; with --dark in dark colours
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";
import { launch } from "./playwright.config.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const PROGRAM = process.env.SITEKEEP ?? join(ROOT, "target/debug/sitekeep");
// What the README loads; no picture of it may be larger.
const LARGEST = 150_000;

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

// Starts the demo and waits until it says where it is.
async function demo(dir) {
  const child = spawn(PROGRAM, ["demo", "--dir", dir], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  const url = await new Promise((found, failed) => {
    child.stdout.on("data", (text) => {
      said += text;
      const line = said.match(/Sitekeep is at (\S+)/);
      if (line && said.includes("Ctrl-C")) found(line[1]);
    });
    child.on("exit", () => failed(new Error(`the demo ended; it said:\n${said}`)));
  });
  return { child, url, dir };
}

// The command line as people type it; what it answers, also when it says that something is not right.
function cli(at, ...args) {
  const env = { ...process.env, SITEKEEP_URL: at.url, SITEKEEP_TOKEN_FILE: join(at.dir, "token") };
  try {
    return execFileSync(PROGRAM, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (e) {
    return `${e.stdout}${e.stderr}`;
  }
}

// Backups with notes, one incomplete, a restore; what a site looks like that is in use.
async function history(at) {
  const site = join(at.dir, "sites/live");
  const notes = ["Before the new theme", "Before updating the modules", ""];
  for (const note of notes) cli(at, "backup:create", "garden.live", ...(note ? ["--note", note] : []));
  writeFileSync(join(site, "uploads/catalogue.pdf"), "x".repeat(90_000));
  const visitors = join(site, "uploads/visitors.csv");
  const stop = await changing(visitors);
  cli(at, "backup:create", "garden.live", "--note", "While visitors were writing");
  stop();
  rmSync(visitors);
  cli(at, "backup:create", "garden.live", "--note", "Before the spring sale");
  cli(at, "backup:create", "garden.test");
  rmSync(join(site, "uploads/sage.bmp"));
  rmSync(join(site, "uploads/poppy.bmp"));
  writeFileSync(join(site, "uploads/intruder.html"), "<h1>was here</h1>");
  writeFileSync(join(site, "header.html"), "<!doctype html><title>The Garden</title><h1>Closed</h1>\n");
  execFileSync("sqlite3", [join(site, "garden.sqlite3"), "delete from plants where id > 3; update visits set note = 'forged' where id % 2"]);
}

// A file that changes while it is read, again and again; gives what ends it.
async function changing(path) {
  const script = `const fs = require("node:fs"); for (;;) fs.writeFileSync(${JSON.stringify(path)}, String(Math.random()).repeat(20_000));`;
  const child = spawn(process.execPath, ["-e", script]);
  while (!existsSync(path)) await new Promise((done) => setTimeout(done, 20));
  return () => child.kill("SIGKILL");
}

function password(at) {
  return readFileSync(join(at.dir, "password"), "utf8").trim();
}

async function signedIn(browser, at, options) {
  const context = await browser.newContext({ baseURL: at.url, locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  await page.goto("/signin");
  await page.getByLabel("E-mail address").fill("admin@example.com");
  await page.getByLabel("Password").fill(password(at));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Sites" }).waitFor();
  return page;
}

async function api(at, path) {
  const token = readFileSync(join(at.dir, "token"), "utf8").trim();
  const answer = await fetch(`${at.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
  return answer.json();
}

async function shoot(page, file, whole = false) {
  await page.waitForTimeout(150);
  await page.screenshot({ path: file, fullPage: whole, animations: "disabled" });
  const { size } = statSync(file);
  console.log(`${String(size).padStart(8)} ${file}`);
  return size;
}

// What the README shows.
async function forReadme(browser, at, out) {
  mkdirSync(out, { recursive: true });
  const live = await api(at, "/environments?named=garden.live");
  const backups = await api(at, `/environments/${live.id}/backups?limit=100`);
  const chosen = backups.find((b) => b.note === "Before the spring sale");
  const take = async (page, name) => {
    const size = await shoot(page, join(out, `${name}.png`));
    if (size > LARGEST) throw new Error(`${name}.png has ${size} bytes; at most ${LARGEST} are wanted`);
  };
  const page = await signedIn(browser, at, DESK);
  const phone = await signedIn(browser, at, PHONE);
  const dark = await signedIn(browser, at, { ...DESK, colorScheme: "dark" });

  await page.goto(`/environments/${live.id}/restore`);
  await take(page, "restore-choose");
  await page.setViewportSize({ width: 1280, height: 1000 });
  await page.goto(`/environments/${live.id}/restore/preview?backup=${chosen.id}&to=${live.id}&element=code&element=database&element=files`);
  await page.getByLabel(/^Type/).fill("garden.live");
  await take(page, "restore-preview");
  await page.getByRole("button", { name: /^Restore garden\.live to/ }).click();
  await page.locator("#state .state", { hasText: "succeeded" }).waitFor({ timeout: 120_000 });
  await page.setViewportSize({ width: 1120, height: 860 });
  await take(page, "restore-steps");
  await page.setViewportSize(DESK.viewport);
  for (const [reader, ending] of [[page, ""], [dark, "-dark"], [phone, "-phone"]]) {
    await reader.goto("/");
    await take(reader, `fleet${ending}`);
    await reader.goto(`/environments/${live.id}`);
    await take(reader, `log${ending}`);
  }
  await page.getByRole("link", { name: "Create a backup of garden.live" }).click();
  await page.getByLabel("Note").fill("Before the summer opening");
  await take(page, "create");
  await page.goto(`/backups/${chosen.id}`);
  await take(page, "backup");
  await phone.goto(`/environments/${live.id}/restore`);
  await take(phone, "restore-choose-phone");
  await page.goto(`/backups/${chosen.id}`);
  await page.getByRole("button", { name: /^Get link to the files/ }).click();
  const link = new URL((await page.locator("#new-link").textContent()).trim()).pathname.split("/").slice(0, 3).join("/");
  await page.goto(link);
  await take(page, "download");
}

// Every page that somebody can come to, small and large.
async function every(browser, at, out) {
  mkdirSync(out, { recursive: true });
  const live = await api(at, "/environments?named=garden.live");
  const dev = await api(at, "/environments?named=garden.dev");
  const backups = await api(at, `/environments/${live.id}/backups?limit=100`);
  const chosen = backups.find((b) => b.note === "Before the spring sale");
  const incomplete = backups.find((b) => b.state === "incomplete");
  const e = `/environments/${live.id}`;
  const [tenant] = await api(at, "/tenants");
  const t = `/tenants/${tenant.id}`;
  cli(at, "backup:drill", "garden.live");
  const [drill] = await api(at, `${e}/drills`);
  const site = (await api(at, "/sites")).find((s) => s.name === "garden");
  const preview = `${e}/restore/preview?backup=${chosen.id}&to=${live.id}&element=code&element=database&element=files`;
  const pages = {
    fleet: "/", "fleet-nothing": "/?q=zzz", environment: e, "environment-trash": `${e}?trash=1`, "environment-filtered": `${e}?state=failed`,
    "environment-empty": `/environments/${dev.id}`, "backup-form": `${e}/backup`, "restore-choose": `${e}/restore`, "restore-nothing": `/environments/${dev.id}/restore`,
    preview, backup: `/backups/${chosen.id}`, "backup-incomplete": incomplete && `/backups/${incomplete.id}`, jobs: "/jobs", job: `/jobs/${chosen.job}`,
    schedule: `${e}/schedule`, "schedule-tried": `${e}/schedule?preview=1&enabled=1&cadence=weekly&weekday=friday&hour=4&zone=Europe%2FBerlin`,
    retention: `${e}/retention`, "retention-tried": `${e}/retention?preview=1&on_demand=keep_last&on_demand.keep_last.count=1`,
    tenant: t, "tenant-schedule": `${t}/schedule`, "tenant-retention": `${t}/retention`, alarms: `${t}/alarms`, "admin-plan": `/admin${t}/plan`,
    "admin-environment": `/admin${e}`, "admin-remove": `/admin${e}/remove`,
    "recovery-key": `/sites/${site.id}/recovery-key`,
    drill: drill && `/drills/${drill.id}`, "inside": `/backups/${chosen.id}/browse?element=files&path=files`, "compare": `/backups/${chosen.id}/compare`, "compare-live": `/backups/${chosen.id}/compare?with=live`, "inside-tables": `/backups/${chosen.id}/browse?element=database`,
    account: "/account", tenants: "/tenants", nowhere: "/nowhere",
    ...Object.fromEntries(["tenants", "accounts", "sites", "sites/add", "servers", "stores", "queue", "activity", "settings"].map((p) => [`admin-${p.replace("/", "-")}`, `/admin/${p}`])),
  };
  const colours = process.argv.includes("--dark") ? { colorScheme: "dark" } : {};
  const desk = await signedIn(browser, at, { ...DESK, ...colours });
  const phone = await signedIn(browser, at, { ...PHONE, ...colours });
  const shootBoth = async (name, path) => {
    for (const [page, ending] of [[desk, "1280"], [phone, "390"]]) {
      const answer = await page.goto(path);
      if (answer.status() === 404 && name !== "nowhere") continue;
      await shoot(page, join(out, `${name}-${ending}.png`), true);
    }
  };
  for (const [name, path] of Object.entries(pages)) if (path) await shootBoth(name, path);
  await desk.goto(e);
  await desk.getByRole("link", { name: "Create a backup of garden.live" }).click();
  await shoot(desk, join(out, "create-dialog-1280.png"));
  await desk.goto(preview);
  await desk.getByLabel(/^Type/).fill("garden.live");
  await desk.getByRole("button", { name: /^Restore garden\.live to/ }).click();
  await shoot(desk, join(out, "restore-running-1280.png"), true);
  await desk.locator("#state .state", { hasText: "succeeded" }).waitFor({ timeout: 120_000 });
  await shootBoth("restore", desk.url());
  await desk.goto(`/backups/${chosen.id}`);
  await desk.getByRole("button", { name: /^Get link to the files/ }).click();
  await shoot(desk, join(out, "backup-link-1280.png"), true);
  const link = new URL((await desk.locator("#new-link").textContent()).trim()).pathname.split("/").slice(0, 3).join("/");
  await shootBoth("download", link);
  for (const [page, ending] of [[desk, "1280"], [phone, "390"]]) {
    await page.goto("/account");
    const form = page.locator("form", { has: page.getByRole("button", { name: "Turn the second factor on…" }) });
    await form.getByLabel("Your present password").fill(password(at));
    await form.getByRole("button").click();
    await shoot(page, join(out, `second-factor-${ending}.png`), true);
  }
  await desk.goto(`/backups/${chosen.id}`);
  await desk.getByRole("button", { name: /^Read back/ }).click();
  await shootBoth("read-back", desk.url());
  await desk.context().clearCookies();
  await phone.context().clearCookies();
  for (const [name, path] of Object.entries({ signin: "/signin", forgotten: "/forgotten", "link-unknown": "/d/nothing" })) {
    for (const [page, ending] of [[desk, "1280"], [phone, "390"]]) {
      await page.goto(path);
      await shoot(page, join(out, `${name}-${ending}.png`), true);
    }
  }
}

const scratch = mkdtempSync(join(tmpdir(), "sitekeep-"));
chmodSync(scratch, 0o755);
const at = await demo(join(scratch, "demo"));
const browser = await chromium.launch(launch);
try {
  await history(at);
  const mode = process.argv.indexOf("--every");
  if (mode > 0) await every(browser, at, process.argv[mode + 1]);
  else await forReadme(browser, at, join(ROOT, "docs/screenshots"));
} finally {
  await browser.close();
  at.child.kill("SIGTERM");
  await new Promise((ended) => at.child.on("exit", ended));
  rmSync(scratch, { recursive: true, force: true });
}
