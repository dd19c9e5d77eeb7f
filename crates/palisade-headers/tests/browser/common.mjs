// What the scripts of the suite share: their packages, a browser, and requests to the servers of the suite.

import { createRequire } from "node:module";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import https from "node:https";

const { MODULES, HTTPS_PORT, HTTP_PORT, AUTHORITY, CHROMIUM } = process.env;

export const require = createRequire(join(MODULES, "package.json"));

// Gives `use` a browser that finds every host of the suite on this machine, and trusts its authority alone.
export async function withChromium(use) {
  const { chromium } = require("playwright-core");
  const authority = new X509Certificate(readFileSync(AUTHORITY));
  const key = authority.publicKey.export({ type: "spki", format: "der" });
  const pin = createHash("sha256").update(key).digest("base64");
  const profile = mkdtempSync(join(tmpdir(), "palisade-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--host-resolver-rules=MAP *:443 127.0.0.1:${HTTPS_PORT}, MAP *:80 127.0.0.1:${HTTP_PORT}`,
      `--ignore-certificate-errors-spki-list=${pin}`,
    ],
  });
  try {
    return await use(context);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

// The headers and the body of https://HOST/PATH.
export function ask(host, path) {
  const options = { host: "127.0.0.1", port: HTTPS_PORT, servername: host, path, headers: { host } };
  return new Promise((resolve, reject) => {
    const request = https.get(options, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ headers: response.headers, body }));
    });
    request.on("error", reject);
  });
}

// Ends the script with what is wrong, or with what was right.
export function finish(problems, summary) {
  if (problems.length > 0) {
    console.error(problems.join("\n"));
    process.exit(1);
  }
  console.log(summary);
  process.exit(0);
}
