import { test, expect, for_, DESKTOP, mark, isMarked } from "../support/test.mjs";
import { api, point, until } from "../support/stage.mjs";

test("what happens to a job is on its page within a second", for_(DESKTOP), async ({ page, site }) => {
  const late = [];
  for (let round = 0; round < 3; round += 1) {
    point.hold("backup.begin");
    const made = await api(`/environments/${site.id}/backups`, { note: `Event ${round}` });
    await point.reached("backup.begin");
    await page.goto(`/jobs/${made.job}`);
    await expect(page.locator("#state")).toHaveText("running");
    await mark(page);
    await page.evaluate(() => {
      const look = () => {
        if (document.getElementById("state").textContent.trim() === "succeeded") window.seen ??= Date.now();
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    point.go("backup.begin");
    const finished = await until("the job's end", async () => {
      const job = await api(`/jobs/${made.job}`);
      return job.state === "succeeded" && Date.parse(job.finished);
    });
    const seen = await until("the page to show it", () => page.evaluate(() => window.seen));
    expect(await isMarked(page)).toBe(true);
    late.push(seen - finished);
  }
  console.log(`    from the end of a job to its page: ${late.join(", ")} ms`);
  expect(Math.min(...late)).toBeLessThan(1000);
});
