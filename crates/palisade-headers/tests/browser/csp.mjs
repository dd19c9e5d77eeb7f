// What Google's csp_evaluator says of the policies that are sent.

import { ask, finish, require } from "./common.mjs";

const { CspEvaluator } = require("csp_evaluator/dist/evaluator.js");
const { CspParser } = require("csp_evaluator/dist/parser.js");
const { Severity } = require("csp_evaluator/dist/finding.js");

// STRICT_CSP findings ask for fallbacks for browsers from before 2016, INFO and NONE are remarks.
const grave = [Severity.HIGH, Severity.SYNTAX, Severity.MEDIUM, Severity.HIGH_MAYBE, Severity.MEDIUM_MAYBE];

const problems = [];
for (const host of ["api.test", "page.test"]) {
  const policy = (await ask(host, "/")).headers["content-security-policy"];
  const findings = new CspEvaluator(new CspParser(policy).csp).evaluate();
  for (const finding of findings) {
    const text = `${host}: ${Severity[finding.severity]} ${finding.directive}: ${finding.description}`;
    if (grave.includes(finding.severity)) problems.push(text);
    else console.log(text);
  }
  if (host === "page.test" && !policy.includes("'nonce-")) problems.push("the page has no nonce");
}
finish(problems, "nothing of weight");
