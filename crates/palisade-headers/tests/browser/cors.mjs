// Runs every cell of the CORS matrix in Chromium.

import { readFileSync } from "node:fs";
import { ask, finish, withChromium } from "./common.mjs";

const lines = readFileSync(process.env.MATRIX, "utf8").split("\n");
const cells = lines
  .filter((line) => line && !line.startsWith("#"))
  .map((line) => line.split("\t"))
  .flatMap(([policy, pages, method, header, credentials, outcome]) =>
    pages.split(" ").map((page) => ({ policy, page, method, header, credentials, outcome })),
  )
  .map((cell, id) => ({ ...cell, id: `cell-${id}` }));

const attempt = async ({ policy, id, method, header, credentials }) => {
  const headers = header === "-" ? {} : { [header]: header === "content-type" ? "application/json" : "x" };
  const body = method === "POST" || method === "PUT" ? "{}" : undefined;
  try {
    const response = await fetch(`https://target.test/${policy}/${id}`, { method, headers, credentials, body });
    return (await response.text()) === "answer";
  } catch {
    return false;
  }
};

const sandboxed = "<iframe sandbox='allow-scripts' srcdoc='<title>sandboxed</title>'></iframe>";

// The place from which a page of this origin makes its requests.
async function openPage(context, origin) {
  const page = await context.newPage();
  if (origin !== "null") {
    await page.goto(`${origin}/`);
    return page;
  }
  await page.goto("https://app.test/");
  await page.setContent(sandboxed);
  const frame = await (await page.waitForSelector("iframe")).contentFrame();
  await frame.waitForLoadState();
  return frame;
}

const read = new Map();
await withChromium(async (context) => {
  for (const origin of new Set(cells.map((cell) => cell.page))) {
    const page = await openPage(context, origin);
    const own = await page.evaluate(() => self.origin);
    if (own !== origin) finish([`the page of ${origin} is of ${own}`]);
    for (const cell of cells.filter((cell) => cell.page === origin)) {
      read.set(cell.id, await page.evaluate(attempt, cell));
    }
  }
});

const reached = new Set(JSON.parse((await ask("target.test", "/reached")).body));
const problems = cells
  .map((cell) => ({ ...cell, found: read.get(cell.id) ? "read" : reached.has(cell.id) ? "unread" : "stopped" }))
  .filter((cell) => cell.found !== cell.outcome)
  .map((cell) => `predicted ${cell.outcome}: ${JSON.stringify(cell)}`);
if (cells.length < 60) problems.push(`${cells.length} cells`);
finish(problems, `${cells.length} cells agree`);
