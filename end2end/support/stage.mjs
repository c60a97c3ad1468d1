// What tests/end2end.rs has started: for each project a panel with a real site.
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, readFileSync, readdirSync, rmSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { test } from "@playwright/test";

export const stage = process.env.SITEKEEP_STAGE ? JSON.parse(readFileSync(process.env.SITEKEEP_STAGE, "utf8")) : {};

// What belongs to the project of the test that runs.
export const here = () => stage.forms[test.info().project.name];

// Asks the API as the administrator.
export async function api(path, body) {
  const { base, token } = here();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(`${base}/api/v1${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

// Waits until `look` gives something, which is returned.
export async function until(what, look, limit = 30_000) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

// A backup made by the API, to its end.
export async function backUp(site, note) {
  const made = await api(`/environments/${site.id}/backups`, { note });
  return until(`the end of ${made.id}`, async () => {
    const backup = await api(`/backups/${made.id}`);
    return ["succeeded", "incomplete", "failed", "cancelled"].includes(backup.state) && backup;
  });
}

// The points of the product's own at which an attempt can be made to wait (src/base/failpoint.rs).
export const point = {
  hold(name) {
    const { points } = here();
    for (const ending of ["", ".hit", ".go"]) rmSync(join(points, name + ending), { force: true });
    writeFileSync(join(points, "arming"), "wait");
    renameSync(join(points, "arming"), join(points, name));
  },
  reached: (name) => until(`an attempt to come to ${name}`, () => existsSync(join(here().points, `${name}.hit`))),
  go: (name) => writeFileSync(join(here().points, `${name}.go`), ""),
};

// SIGKILL for the server and all that it started; then it starts again on the same data.
export async function restartServer() {
  const { restart } = here();
  writeFileSync(restart, "");
  await until("the server to start again", () => !existsSync(restart));
}

// SQL as the application would send it: as the owner of its database.
export function sql(site, text) {
  const { uid, gid } = statSync(site.database);
  const as = process.getuid() === 0 ? { uid, gid } : {};
  return execFileSync("sqlite3", ["-cmd", ".timeout 10000", site.database, text], { ...as, encoding: "utf8" });
}

// Overwrites, deletes and adds files, and changes and deletes rows.
export function damage(site) {
  writeFileSync(join(site.root, "media/2024/photo-2.png"), "not a picture");
  rmSync(join(site.root, "media/2024/photo-1.png"));
  writeFileSync(join(site.root, "media/intruder.html"), "<h1>was here</h1>");
  const owner = statSync(site.root);
  if (process.getuid() === 0) chownSync(join(site.root, "media/intruder.html"), owner.uid, owner.gid);
  writeFileSync(join(site.root, "EDITION"), "defaced\n");
  sql(site, "delete from notes where id > 2; update notes set title = 'Ruin' where id = 1; create table rubbish (x)");
}

// What the site is: every file by its hash, every row of its tables.
export function look(site) {
  const found = { rows: sql(site, ".dump notes").trim() + sql(site, "select name from sqlite_schema order by 1") };
  for (const entry of readdirSync(site.root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = relative(site.root, path);
    if (!entry.isFile() || name.startsWith(".git/") || name.startsWith("data/")) continue;
    found[name] = createHash("sha256").update(readFileSync(path)).digest("hex");
  }
  return found;
}
