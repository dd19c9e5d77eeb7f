// What the MDN HTTP Observatory says of both presets.

import http from "node:http";
import net from "node:net";
import tls from "node:tls";
import { join } from "node:path";
import { finish } from "./common.mjs";

const { MODULES, HTTPS_PORT, HTTP_PORT } = process.env;

// It asks the usual ports of a host; here both, and every host, are those of the suite.
const toSuite = (options, port) => ({ ...options, host: "127.0.0.1", port: Number(port), lookup: undefined });
const connect = tls.connect;
tls.connect = (options, ...rest) =>
  connect({ ...toSuite(options, HTTPS_PORT), servername: options.servername ?? options.host }, ...rest);
http.Agent.prototype.createConnection = (options, ...rest) => net.createConnection(toSuite(options, HTTP_PORT), ...rest);

const { scan } = await import(join(MODULES, "node_modules/@mdn/mdn-http-observatory/src/index.js"));

const problems = [];
for (const host of ["api.test", "page.test"]) {
  const { scan: result, tests } = await scan(host);
  const failed = Object.values(tests).filter((test) => !test.pass);
  console.log(`${host}: ${result.grade}, ${result.score} points, ${result.testsPassed} of ${result.testsQuantity} tests`);
  if (result.grade !== "A+") problems.push(`${host} is graded ${result.grade}, not A+`);
  if (failed.length > 0) problems.push(`${host} fails ${failed.map((test) => `${test.constructor.name}: ${test.result}`)}`);
  for (const [name, test] of Object.entries(tests)) console.log(`  ${name}: ${test.result} ${test.scoreModifier}`);
}
finish(problems, "both A+");
