// The whole way in a real browser at a real provider: in, out, out by the provider, and callbacks that are not the browser's.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

// Two instances of the service; the provider tells OTHER of logouts.
const { APP, OTHER, ISSUER, CHROMIUM } = process.env;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});

// A new profile, and every callback that it was sent to.
async function profile() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const callbacks = [];
  page.on("request", (request) => {
    if (request.url().startsWith(`${APP}/callback?`)) callbacks.push(request.url());
  });
  return { context, page, callbacks };
}

// Through the provider's own pages: a name and a password, then what the service may know.
async function atProvider(page, name) {
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "anything");
  await page.click("button[type=submit]");
  await page.click("button[type=submit]");
}

async function signIn(page, name) {
  await page.goto(`${APP}/`);
  await page.click("#in");
  await atProvider(page, name);
  await page.waitForSelector("#who");
}

const status = async (page, path, at = APP) => (await page.request.get(`${at}${path}`, { maxRedirects: 0 })).status();
const names = async (context) => (await context.cookies(APP)).map((cookie) => cookie.name);

try {
  const alice = await profile();
  assert.equal(await status(alice.page, "/me"), 401);
  await signIn(alice.page, "alice");
  assert.equal(await alice.page.textContent("#who"), "alice (alice@example.com)");
  assert.equal(alice.page.url(), `${APP}/?back`, "back to where the sign-in began");
  const me = await alice.page.request.get(`${APP}/me`);
  assert.equal(await me.text(), `alice of ${ISSUER}`);
  assert.ok((await names(alice.context)).every((name) => !name.startsWith("sign-in-")), "no state is left");
  const session = (await alice.context.cookies(APP)).find((cookie) => cookie.name === "session");
  assert.ok(session.httpOnly && session.sameSite === "Lax");

  // Browsers keep cookies by host, whatever the port.
  assert.equal(await status(alice.page, "/me", OTHER), 200, "the session is the other instance's too");

  // The provider answers with its name (RFC 9207). The same callback again, and from another browser.
  const [callback] = alice.callbacks;
  assert.ok(new URL(callback).searchParams.get("iss") === ISSUER);
  assert.equal(await status(alice.page, callback.slice(APP.length)), 400);
  assert.equal(await status(alice.page, callback.slice(APP.length), OTHER), 400);
  const mallory = await profile();
  assert.equal(await status(mallory.page, callback.slice(APP.length)), 400);

  // Mallory's own code and state, planted in Alice's browser: nobody is signed in as somebody else.
  await mallory.page.goto(`${APP}/`);
  await mallory.page.click("#in");
  const states = (await mallory.context.cookies(APP)).filter((cookie) => cookie.name.startsWith("sign-in-"));
  assert.equal(states.length, 1);
  await mallory.context.clearCookies({ name: states[0].name });
  await atProvider(mallory.page, "mallory");
  await mallory.page.waitForURL(`${APP}/callback**`);
  const planted = mallory.callbacks.at(-1);
  const answer = await alice.page.goto(planted);
  assert.equal(answer.status(), 400);
  await alice.page.goto(`${APP}/`);
  assert.equal(await alice.page.textContent("#who"), "alice (alice@example.com)");

  // An issuer that is another's, with a state that is good.
  await mallory.context.addCookies(states);
  const mixed = new URL(planted);
  mixed.searchParams.set("iss", "https://evil.example");
  assert.equal(await status(mallory.page, mixed.href.slice(APP.length)), 401);

  // An address that the provider has not verified counts for nothing.
  const claimed = await profile();
  await signIn(claimed.page, "unverified-bob");
  assert.equal(await claimed.page.textContent("#who"), "unverified-bob (no verified address)");

  // Out, here and there.
  await alice.page.click("#out");
  await alice.page.waitForURL(`${ISSUER}/session/end**`);
  assert.equal(await status(alice.page, "/me"), 401, "the session here is over already");
  await alice.page.click("button[value=yes]");
  await alice.page.waitForURL(`${APP}/**`);
  await alice.page.waitForSelector("#in");

  // Out by the provider alone: it tells the instance that did not sign the user in by its back channel.
  assert.equal(await status(claimed.page, "/me"), 200);
  await claimed.page.goto(`${ISSUER}/session/end`);
  await claimed.page.click("button[value=yes]");
  await claimed.page.waitForLoadState("networkidle");
  let left = 50;
  while ((await status(claimed.page, "/me")) !== 401 && left-- > 0) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(await status(claimed.page, "/me"), 401, "the logout token ended the session");
  console.log("signed in and out");
} finally {
  await browser.close();
}
