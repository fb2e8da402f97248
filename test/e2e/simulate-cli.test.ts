/** `statewire simulate` as a shell sees it: what it prints, its exit code, and that the same seed is the same trace in another process. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run } from '../support/command.ts';

const TIMEOUT_MS = 60_000;
const simulate = (...args: string[]) => run('src/cli/main.ts', 'simulate', ...args);

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'statewire-simulate-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

it('runs 2,000 calls of one seed, and says what they came to', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout, stderr } = await simulate('--seed', '3');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^calls +2,000 /m);
  expect(stdout).toMatch(/^seeds that broke a rule +0$/m);
});

it('gives the same trace for the same seed in every process, byte for byte', { timeout: TIMEOUT_MS }, async () => {
  const [one, other] = [join(folder(), 'one.txt'), join(folder(), 'other.txt')];
  const seed = ['--seed', '12', '--calls', '300', '--trace'];
  expect((await Promise.all([simulate(...seed, one), simulate(...seed, other)])).map(({ code }) => code)).toEqual([0, 0]);
  expect(readFileSync(one).equals(readFileSync(other))).toBe(true);
  expect(readFileSync(one, 'utf8')).toMatch(/ call 0\.1 op /);
});

it('has several processes share the seeds, and sums up', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout } = await simulate('--seeds', '5', '--calls', '50', '--jobs', '2', '--mode', 'both', '--json');
  expect(code).toBe(0);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { seed?: number; mode?: string; all?: { seeds: number; calls: number } });
  expect(lines.flatMap(({ seed }) => seed ?? []).toSorted((one, other) => one - other)).toEqual([1, 2, 3, 4, 5]);
  expect(lines.find(({ seed }) => seed === 3)?.mode).toBe('safety');
  expect(lines.at(-1)?.all).toMatchObject({ seeds: 5, calls: 250 });
});

it.each([
  ['--seed', '-1'],
  ['--seeds', '0'],
  ['--minutes', 'soon'],
  ['--calls', '1.5'],
  ['--mode', 'fast'],
  ['--faults', 'cut,rain'],
  ['--jobs', '0'],
])('refuses %s %s with exit code 2', { timeout: TIMEOUT_MS }, async (name, value) => {
  const { code, stdout, stderr } = await simulate(name, value);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^statewire: [^]*${name}[^]* \\(statewire simulate --help tells more\\)\n$`));
});

it('looks before the run whether the trace can be written', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout, stderr } = await simulate('--trace', join(folder(), 'nowhere', 'trace.txt'));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^statewire: --trace: cannot write to it: ENOENT/);
});

it('refuses two lengths', { timeout: TIMEOUT_MS }, async () => {
  expect(await simulate('--seeds', '2', '--minutes', '1')).toMatchObject({ code: 2, stderr: expect.stringContaining('give one') });
});
