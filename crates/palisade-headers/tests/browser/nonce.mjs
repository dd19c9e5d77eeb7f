// Opens the page with a nonce in Chromium and sees which scripts and styles had an effect.

import { finish, withChromium } from "./common.mjs";

const problems = [];
await withChromium(async (context) => {
  const page = await context.newPage();
  await page.goto("https://page.test/attacked");
  await page.waitForFunction(() => document.documentElement.dataset.loaded, null, { timeout: 10_000 }).catch(() => {});
  // By now everything that may run has run: the injected script stands before the end of the page.
  const ran = await page.evaluate(() => Object.keys(document.documentElement.dataset).sort());
  // The page's own script, and the one that it loaded itself.
  if (ran.join() !== "loaded,own") problems.push(`these scripts ran: ${ran}`);
  const style = await page.evaluate(() => {
    const { color, backgroundColor } = getComputedStyle(document.querySelector("p"));
    return [color, backgroundColor].join("; ");
  });
  if (style !== "rgb(1, 2, 3); rgba(0, 0, 0, 0)") problems.push(`the paragraph looks so: ${style}`);
  const base = await page.evaluate(() => document.baseURI);
  if (base !== "https://page.test/attacked") problems.push(`the base is ${base}`);
});
finish(problems, "the page's own scripts and styles had an effect, and no other");
