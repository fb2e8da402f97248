import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Figures } from '../../src/cli/figures.ts';
import { run, start } from '../support/command.ts';

const demo = (...args: string[]) => run('src/cli/main.ts', 'demo', ...args);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'statewire-test-'));
  // The demo's own temporary folders go here, so that one that stays is seen.
  vi.stubEnv('TMPDIR', folder);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});
afterEach(async () => {
  const left = (await readdir(folder)).filter((name) => name.startsWith('statewire-demo-'));
  expect(left, 'folders left behind').toEqual([]);
});

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const HEADER = 'order,account,cents\n';
/** Enough orders for every kind of call; of ada's last ones some are insufficient. */
const SOME_ORDERS =
  HEADER +
  Array.from({ length: 60 }, (_, at) => `o${at},${['ada', 'bob', 'eve'][at % 3]},${at * 100}\n`)
    .join('')
    .replace('o0,ada,0', 'o0,ada,1');

/** A row of the table at the end, as a number. */
function row(stdout: string, name: string): number {
  const found = new RegExp(`^${name} +(?:≥ )?([\\d,]+)`, 'm').exec(stdout);
  return Number(found?.[1]?.replaceAll(',', ''));
}

/** Every process that the bank was, by what was printed. */
function bankPids(stdout: string): readonly number[] {
  return Array.from(stdout.matchAll(/bank: .*?process (\d+)(?:,| listens)/g), ([, pid]) => Number(pid));
}

function expectGone(pids: readonly number[]): void {
  for (const pid of pids) expect(() => process.kill(pid, 0), `process ${pid}`).toThrow('ESRCH');
}

describe('statewire demo', { timeout: 120_000 }, () => {
  it('charges the 1,000 orders that come with it once each while links are cut and the bank is killed, shows plain lines where there is no terminal, and ends with a table', async () => {
    const { code, stdout, stderr } = await demo();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('500 of 1,000 orders\n');
    expect(stdout).not.toContain('\u001B');
    const of = (name: string) => row(stdout, name);
    expect(of('calls')).toBeGreaterThan(1_500);
    expect(of('executions')).toBeGreaterThanOrEqual(1_000);
    for (const name of ['duplicates joined', 'replays', 'cancelled', 'failed', 'calls/s']) expect(of(name), name).toBeGreaterThan(0);
    expect(stdout).toMatch(/(1,000|99\d) charges of 1,000 orders/);
    expect(stdout).toMatch(/balances +12 of 12 +exactly what the file says/);
    expect(stdout).toMatch(/^cuts +24 /m);
    expect(stdout).toMatch(/^kills +4 /m);
    for (const name of ['sessions resumed', 'calls re-sent', 'longest outage']) expect(of(name), name).toBeGreaterThan(0);
    expect(stdout).toMatch(/^indeterminate +\d+ +orders: /m);
    expect(bankPids(stdout)).toHaveLength(5);
    expectGone(bankPids(stdout));
    expect(stdout).toMatch(/ledger checksum +[0-9a-f]{16}/);
    expect(stdout).toContain('streaming: 1,000 lines to the bank');
    expect(stdout).toMatch(/lines streamed +1,000 +1,000 receipts streamed back; never more than \d{1,2} lines without one, 65 allowed/);
    expect(stdout).toMatch(/slow reader +300 +entries read, .* the fast bank never more than \d{1,2} ahead, 64 allowed/);
    expect(stdout).toMatch(/memory held +\d+\.\d MB +in the bank at most meanwhile, \d+\.\d MB before; here \d+\.\d MB and \d+\.\d MB/);
    expect(stdout).toMatch(/reader left +3\d\d +entries of 250,000 sent when the bank noticed, and stopped/);
  });

  it.each([2, 3])('ends with the exact ledger whatever is cut and killed when, with seed %d', async (seed) => {
    const { code, stdout, stderr } = await demo('--json', '--seed', String(seed));
    const figures = JSON.parse(stdout) as Figures;
    expect({ code, stderr, faults: figures.faults }).toEqual({ code: 0, stderr: '', faults: [] });
    const { indeterminateOrders, indeterminateBooked, charges, balances, resumed, restarted, linksLost, resent } = figures;
    expect(figures).toMatchObject({ orders: 1_000, cuts: 24, kills: 4, atLeast: true });
    expect(charges).toBe(1_000 - indeterminateOrders.length + indeterminateBooked);
    for (const { cents, expectedCents } of Object.values(balances)) expect(cents).toBe(expectedCents);
    expect(linksLost).toBe(resumed + restarted);
    for (const count of [resumed, restarted, resent]) expect(count).toBeGreaterThan(4);
  });

  it('loses no call by cuts alone: volatile ones neither', async () => {
    const { code, stdout } = await demo('--json', '--kills', '0', '--cuts', '40');
    const { cuts, kills, restarted, resumed, indeterminate, charges, atLeast } = JSON.parse(stdout) as Figures;
    expect({ code, cuts, kills, restarted, indeterminate, charges, atLeast }).toEqual({
      code: 0,
      cuts: 40,
      kills: 0,
      restarted: 0,
      indeterminate: 0,
      charges: 1_000,
      atLeast: false,
    });
    expect(resumed).toBeGreaterThanOrEqual(40);
  });

  it('keeps journal and operations with --data, and notices an order that the journal has twice', async () => {
    const data = join(folder, 'data');
    const journal = join(data, 'journal.jsonl');
    const running = start('src/cli/main.ts', 'demo', '--data', data);
    await running.prints(/100 of 1,000 orders/);
    const charged = (await readFile(journal, 'utf8')).split('\n').find((line) => line.includes('"granted":true'));
    // The bank itself looks at it when it is back from the next kill.
    await appendFile(journal, `${charged}\n`);
    const { code, stdout, stderr } = await running.finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/orders must be charged once each, and \d+ charges ran/);
    expect(stderr).toMatch(/the ledger's checksum must be/);
    expect(stdout).toMatch(/balances +\d+ of 12 +NOT WHAT THE FILE SAYS/);
    expect(await readdir(data)).toEqual(['journal.jsonl', 'operations']);
    const again = await demo('--data', data);
    expect(again).toEqual({
      code: 2,
      stdout: '',
      stderr: `statewire: ${data} has journal.jsonl in it: --data takes a folder that is empty or not there yet\n`,
    });
  });

  it('makes the same calls for the same seed, whatever the number of clients, and prints them as JSON alone with --json', async () => {
    const orders = await file('some.csv', SOME_ORDERS);
    const [one, other, seeded] = await Promise.all([
      demo('--orders', orders, '--json', '--calm'),
      demo('--orders', orders, '--json', '--calm', '--clients', '1'),
      demo('--orders', orders, '--json', '--calm', '--seed', '9'),
    ]);
    const figures = [one, other, seeded].map(({ stdout }) => JSON.parse(stdout) as Figures);
    const repeatable = figures.map(({ calls, executions, cancelled, failures, duplicatesJoined, replays, checksum, balances }) => ({
      calls,
      executions,
      cancelled,
      failures,
      repeated: duplicatesJoined + replays,
      checksum,
      balances,
    }));
    expect([one, other, seeded].map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(3).fill({ code: 0, stderr: '' }));
    expect(repeatable[1]).toEqual(repeatable[0]);
    expect(repeatable[2]?.checksum).toBe(repeatable[0]?.checksum);
    expect(figures.map(({ clients, sessions }) => [clients, sessions])).toEqual([
      [4, 8],
      [1, 2],
      [4, 8],
    ]);
    expect(figures[0]).toMatchObject({ orders: 60, charges: 60, skippedLines: [], faults: [] });
    expect(figures[0]?.handlersAborted).toBe(6);
    expect(figures[0]?.failures.unknownMethod).toBe(6);
    expect(figures[0]?.failures.invalidInput).toBe(6);
    expect(figures[0]?.failures.idConflict).toBe(5);
    expect(figures[0]?.fileStream).toMatchObject({ lines: 60, receipts: 60, skipped: 0, mostUnansweredAllowed: 65 });
    expect(figures[0]?.slowReader).toMatchObject({ offered: 250_000, read: 300, window: 64, leavingNoticed: true });
    const { mostUnread, sent, bank } = (figures[0] as Figures).slowReader;
    expect(mostUnread).toBeGreaterThan(32);
    expect(mostUnread).toBeLessThanOrEqual(64);
    expect(sent).toBeLessThanOrEqual(364);
    expect(bank.mostBytes).toBeGreaterThan(1_000_000);
  });

  it('takes opening balances from --accounts, and counts what they cannot pay', async () => {
    const orders = await file('poor.csv', `${HEADER}o1,ada,60\no2,ada,50\no3,ada,40\no4,new,100000\no5,new,1\n`);
    const accounts = await file('accounts.csv', 'account,cents\nada,100\nunused,5\n');
    const { code, stdout } = await demo('--orders', orders, '--accounts', accounts, '--json', '--calm');
    const figures = JSON.parse(stdout) as Figures;
    expect(code).toBe(0);
    expect(figures.balances).toEqual({ ada: { cents: 0, expectedCents: 0 }, new: { cents: 0, expectedCents: 0 } });
    expect(figures.failures.insufficient).toBeGreaterThanOrEqual(2);
  });

  it('reports malformed lines with their numbers, skips them, charges the rest, and exits 3', async () => {
    const text = [
      'order,account,cents',
      'o1,ada,100',
      'o2,ada',
      'o3,ada,-5',
      '',
      '"o4,ada,5',
      'o1,bob,1',
      'o5,ada,1e3',
      ',ada,5',
      'o6,ada,1,2',
      '"o7","bob","50"',
      'o8,bob,0',
    ].join('\r\n');
    const path = await file('malformed.csv', `\uFEFF${text}`);
    const { code, stdout, stderr } = await demo('--orders', path, '--cuts', '3', '--kills', '1');
    expect(code).toBe(3);
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(`${path}:`, '')),
    ).toEqual([
      '3: has 2 fields, not the 3 of order,account,cents; skipped',
      '4: cents must be a whole number of cents from 1 to 1000000000000, not "-5"; skipped',
      '6: Quote Not Closed: the parsing is finished with an opening quote; skipped',
      '7: order o1 is on line 2 already; skipped',
      '8: cents must be a whole number of cents from 1 to 1000000000000, not "1e3"; skipped',
      '9: order must be text of 1 to 300 characters, not ""; skipped',
      '10: has 4 fields, not the 3 of order,account,cents; skipped',
      '12: cents must be a whole number of cents from 1 to 1000000000000, not "0"; skipped',
    ]);
    expect(stdout).toMatch(/2 charges of 2 orders/);
    expect(stdout).toMatch(/balances +2 of 2 +exactly/);
    // The malformed ones too: the bank must find them malformed for the same reasons.
    expect(stdout).toMatch(/lines streamed +10 +10 receipts streamed back/);
  });

  it.each([
    { what: 'a missing file', text: undefined, says: 'does not exist' },
    { what: 'an empty file', text: '', says: 'is empty: its first line must be order,account,cents' },
    { what: 'a wrong header', text: 'account,cents\nada,5\n', says: 'begins with "account,cents": its first line must be order,account,cents' },
    { what: 'a header alone', text: HEADER, says: 'has a header and nothing below it' },
  ])('says in one line what is wrong with $what, and exits 2', async ({ what, text, says }) => {
    const path = text === undefined ? join(folder, 'none.csv') : await file(`${what}.csv`, text);
    const { code, stdout, stderr } = await demo('--orders', path);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `statewire: ${path} ${says}\n` });
  });

  it('reports a bank that dies, and does not hang', async () => {
    const running = start('src/cli/main.ts', 'demo', '--calm');
    const [, pid] = await running.prints(/bank: process (\d+)/);
    process.kill(Number(pid), 'SIGKILL');
    const { code, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 1, stderr: `statewire: the bank's process ${pid} ended by SIGKILL before the demo was done\n` });
  });

  it('reports a bank that dies while it streams', async () => {
    const running = start('src/cli/main.ts', 'demo', '--calm');
    const [, pid] = await running.prints(/bank: process (\d+)/);
    await running.prints(/streaming: /);
    process.kill(Number(pid), 'SIGKILL');
    const { code, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 1, stderr: `statewire: the bank's process ${pid} ended by SIGKILL before the demo was done\n` });
  });

  it.each([
    { after: 'the start', printed: /bank: process/ },
    { after: 'a cut or two', printed: /100 of 1,000/ },
    { after: 'a kill', printed: /listens after/ },
    { after: 'the last order', printed: /streaming: / },
  ])('ends itself and the bank on SIGINT, after $after', async ({ printed }) => {
    const running = start('src/cli/main.ts', 'demo');
    await running.prints(printed);
    running.signal('SIGINT');
    const { code, stdout, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'statewire: interrupted by SIGINT\n' });
    expectGone(bankPids(stdout));
  });

  it('ends itself and the bank on SIGINT, while the bank is away', async () => {
    const running = start('src/cli/main.ts', 'demo');
    const [, pid] = await running.prints(/bank: process (\d+)/);
    await vi.waitFor(() => expectGone([Number(pid)]), { timeout: 20_000, interval: 5 });
    running.signal('SIGINT');
    const { code, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'statewire: interrupted by SIGINT\n' });
  });
});
