/**
 * The last line of a CI run: `N passed, N failed`, and how many were skipped if any were. Reads vitest's JSON report; each
 * argument after it names a step that failed outside the tests and counts as one failure. Plain JavaScript without dependencies, because it
 * must also work where the installation failed. Usage: node scripts/summary.mjs <report.json> [failed step …]
 */
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Report What is read of vitest's report.
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numPendingTests
 * @property {number} numTodoTests
 * @property {{ status: string, assertionResults: unknown[] }[]} testResults
 */

/** @param {string} path @returns {Report | undefined} */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

const [path = '', ...failedSteps] = process.argv.slice(2);
const report = readReport(path);
for (const step of failedSteps) console.log(`failed step: ${step}`);
if (report === undefined) console.log(`no test report at ${path}: the tests did not run to their end`);

// A file that fails to load has no tests to count, but it is a failure.
const brokenFiles = report?.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length ?? 0;
const passed = report?.numPassedTests ?? 0;
const failed = (report?.numFailedTests ?? 0) + brokenFiles + failedSteps.length + (report === undefined && failedSteps.length === 0 ? 1 : 0);
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
process.exitCode = failed > 0 ? 1 : 0;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
