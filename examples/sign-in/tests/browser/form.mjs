// A provider of another site, which answers in a form that the browser posts; the client has a key and no secret.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const { APP, ISSUER, CHROMIUM } = process.env;
assert.notEqual(new URL(APP).hostname, new URL(ISSUER).hostname, "two sites");

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});

try {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const callbacks = [];
  page.on("request", (request) => {
    if (request.url().startsWith(`${APP}/callback`)) callbacks.push(request);
  });
  const session = async () => (await context.cookies(APP)).find((cookie) => cookie.name === "session")?.value;
  const signIn = async () => {
    await page.goto(`${APP}/login?return_to=/%3Fback`);
    await page.waitForSelector("input[name=login], #who");
    if (await page.$("#who")) return;
    await page.fill("input[name=login]", "alice");
    await page.fill("input[name=password]", "anything");
    await page.click("button[type=submit]");
    await page.click("button[type=submit]");
    await page.waitForSelector("#who");
  };

  await signIn();
  // The address of the userinfo endpoint, whose claims are signed; the ID token has none.
  assert.equal(await page.textContent("#who"), "alice (alice@example.com)");
  assert.equal(page.url(), `${APP}/?back`);
  assert.equal(callbacks.length, 1);
  assert.equal(callbacks[0].method(), "POST");
  assert.ok(!callbacks[0].url().includes("code="), "no code in an address");
  const state = (await context.cookies(APP)).filter((cookie) => cookie.name.startsWith("sign-in-"));
  assert.deepEqual(state, [], "no state is left");
  const before = await session();

  // Once more: the session before is over, although its cookie did not come with the form.
  await signIn();
  assert.equal(callbacks.length, 2);
  const after = await session();
  assert.notEqual(after, before);
  const me = (cookie) => page.request.get(`${APP}/me`, { headers: { cookie: `session=${cookie}` } });
  await context.clearCookies();
  assert.equal((await me(after)).status(), 200);
  assert.equal((await me(before)).status(), 401);
  console.log("signed in by a form");
} finally {
  await browser.close();
}
