/** The last line of a CI run, from reports as vitest writes them and from none. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/summary.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'statewire-summary-'));
const reportPath = join(folder, 'vitest.json');
afterAll(() => rmSync(folder, { recursive: true }));

const report = (counts: Record<string, number>, testResults: unknown[] = []): string =>
  JSON.stringify({ numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults, ...counts });

/** A file that vitest could not load: failed, with no test in it. */
const BROKEN_FILE = { status: 'failed', assertionResults: [] };
const FAILED_FILE = { status: 'failed', assertionResults: [{ status: 'failed' }] };

describe('the last line of a CI run', () => {
  it.each([
    ['all is well', report({ numPassedTests: 7 }), [], '7 passed, 0 failed', 0],
    ['some are skipped', report({ numPassedTests: 7, numPendingTests: 2, numTodoTests: 1 }), [], '7 passed, 0 failed, 3 skipped', 0],
    ['a test failed', report({ numPassedTests: 7, numFailedTests: 1 }, [FAILED_FILE]), [], '7 passed, 1 failed', 1],
    ['a file did not load', report({ numPassedTests: 7 }, [BROKEN_FILE]), [], '7 passed, 1 failed', 1],
    ['another step failed', report({ numPassedTests: 7 }), ['rules', 'demo'], '7 passed, 2 failed', 1],
    ['there is no report', undefined, [], '0 passed, 1 failed', 1],
    ['there is no report, for a reason that is known', undefined, ['npm ci'], '0 passed, 1 failed', 1],
    ['the report is cut off', '{"numPassedTests":', [], '0 passed, 1 failed', 1],
  ])('when %s', (_what, text, failedSteps, lastLine, code) => {
    rmSync(reportPath, { force: true });
    if (text !== undefined) writeFileSync(reportPath, text);
    const outcome = spawnSync(process.execPath, [script, reportPath, ...failedSteps], { encoding: 'utf8' });
    expect(outcome.stdout.trimEnd().split('\n').at(-1)).toBe(lastLine);
    expect(outcome.status).toBe(code);
    for (const step of failedSteps) expect(outcome.stdout).toContain(`failed step: ${step}`);
  });
});
