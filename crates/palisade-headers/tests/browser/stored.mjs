// Opens pages that Chromium stores, twice each: after the 304 their script must run as it did before.

import { ask, finish, withChromium } from "./common.mjs";

const problems = [];
await withChromium(async (context) => {
  const page = await context.newPage();
  let reported = [];
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) reported.push(message.text());
  });
  for (const kind of ["layer", "route"]) {
    let first;
    for (const visit of ["first", "second"]) {
      reported = [];
      await page.goto("about:blank");
      await page.goto(`https://page.test/stored/${kind}`);
      const ran = await page.evaluate(() => Object.keys(document.documentElement.dataset).join());
      if (ran !== "own") problems.push(`${kind}, ${visit} visit: these scripts ran: ${ran}`);
      // The injected script is blocked, and reported by the policy that only reports.
      const said = reported.length;
      first ??= said;
      if (said === 0 || said !== first) problems.push(`${kind}, ${visit} visit: ${said} reports, not ${first}`);
    }
  }
});
const { body } = await ask("page.test", "/validations");
if (body !== "2") problems.push(`${body} answers were 304, not 2`);
finish(problems, "stored pages ran their scripts after a 304");
