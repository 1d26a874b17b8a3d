// The reporter: writes how each case went where the parent looks for it, as the Python clients do.

import { writeFileSync } from "node:fs";

export default async function* report(events) {
  const cases = [];
  for await (const { type, data } of events) {
    if ((type !== "test:pass" && type !== "test:fail") || data.nesting > 0) continue;
    const skipped = data.skip !== undefined;
    const error = data.details?.error?.cause ?? data.details?.error;
    cases.push({
      name: data.name,
      outcome: skipped ? "skipped" : type === "test:pass" ? "passed" : "failed",
      reason: skipped ? String(data.skip) : error ? String(error.stack ?? error).slice(0, 3000) : "",
    });
  }
  writeFileSync(process.env.ROBUTLER_REPORT, JSON.stringify(cases));
  yield `${cases.length} cases\n`;
}
