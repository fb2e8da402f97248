import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { run } from '../support/command.ts';

const statewire = (...args: string[]) => run('src/cli/main.ts', ...args);

describe('the statewire command', { timeout: 60_000 }, () => {
  it('prints its commands for --help', async () => {
    const { code, stdout, stderr } = await statewire('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('demo');
    expect(stdout).toContain('--version');
  });

  it('prints the version of the package for --version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
    expect(await statewire('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('prints the options of a command for --help after it', async () => {
    const { code, stdout } = await statewire('demo', '--help');
    expect(code).toBe(0);
    for (const option of ['--orders', '--accounts', '--clients', '--seed', '--cuts', '--kills', '--calm', '--data', '--json'])
      expect(stdout).toContain(option);
  });

  it.each([
    { args: [], says: 'no command given' },
    { args: ['dmeo'], says: 'unknown command "dmeo"' },
    { args: ['--fast'], says: 'unknown option "--fast"' },
    { args: ['demo', '--fast'], says: "Unknown option '--fast'" },
    { args: ['demo', 'orders.csv'], says: "Unexpected argument 'orders.csv'" },
    { args: ['demo', '--clients', '0'], says: '--clients must be a whole number from 1 to 64, not "0"' },
    { args: ['demo', '--cuts', 'many'], says: '--cuts must be a whole number from 0 to 10000, not "many"' },
    { args: ['demo', '--kills', '101'], says: '--kills must be a whole number from 0 to 100, not "101"' },
    { args: ['demo', '--calm', '--kills', '1'], says: '--calm is without cuts and kills: give one or the other' },
    { args: ['demo', '--seed=-1'], says: '--seed must be a whole number from 0 to 9007199254740991, not "-1"' },
  ])('says in one line what is wrong with $args, and exits 2', async ({ args, says }) => {
    const { code, stdout, stderr } = await statewire(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining(says)]);
  });
});
