/** `statewire bench` as a shell sees it: what it prints, its exit code, and that nothing of it stays, however it ends. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BenchFigures } from '../../src/cli/bench.ts';
import { run, start } from '../support/command.ts';

const bench = (...args: string[]) => run('src/cli/main.ts', 'bench', ...args);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'statewire-test-'));
  // Its temporary folder goes here, which tells it from another's: as a name in this folder, and as an argument of its server's process.
  vi.stubEnv('TMPDIR', folder);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});
afterEach(async () => {
  expect(await foldersThere(), 'folders left behind').toEqual([]);
  expect(serverPids(), 'processes left behind').toEqual([]);
});

const foldersThere = async (): Promise<readonly string[]> => (await readdir(folder)).filter((name) => name.startsWith('statewire-bench-'));

/** The server's processes that there are. */
function serverPids(): readonly number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes('bench-process') && line.includes(folder)).map((line) => Number.parseInt(line, 10));
}

describe('statewire bench', { timeout: 60_000 }, () => {
  it('prints every figure of every measurement as JSON, none of them zero, and exits 0 since every answer was right', async () => {
    const { code, stdout, stderr } = await bench('--seconds', '0.2', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { machine, seconds, measurements, faults } = JSON.parse(stdout) as BenchFigures;
    expect({ seconds, faults, node: machine.node }).toEqual({ seconds: 0.2, faults: [], node: process.version });
    const ids = ['calls-1', 'calls-64', 'calls-1000', 'items-to-client', 'items-to-server', 'blobs', 'persist'];
    expect(measurements.map(({ id }) => id)).toEqual(ids);
    for (const measurement of measurements) {
      const figures = Object.entries(measurement).filter(([, value]) => typeof value === 'number');
      expect(figures.length).toBe(measurement.id === 'calls-1' ? 6 : 4);
      for (const [name, value] of figures) expect(value, `${measurement.id}: ${name}`).toBeGreaterThan(0);
    }
    const [{ p50Micros = 0, p99Micros = 0 } = {}] = measurements;
    expect(p50Micros).toBeLessThanOrEqual(p99Micros);
  });

  it('prints the machine and a row for each measurement as it comes, and ends itself and its server on SIGINT', async () => {
    const running = start('src/cli/main.ts', 'bench', '--seconds', '0.1');
    await running.prints(/^calls, 64 in flight +[\d,]+ calls\/s {2}CPU [\d.,]+ \+ [\d.,]+ µs per call$/m);
    expect(serverPids()).toHaveLength(1);
    expect(await foldersThere()).toHaveLength(1);
    running.signal('SIGINT');
    const { code, stdout, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'statewire: interrupted by SIGINT\n' });
    expect(stdout).toMatch(/ cores?, Node v\d+/);
    expect(stdout).toMatch(/^calls, 1 in flight .*, p50 [\d.,]+ µs, p99 [\d.,]+ µs$/m);
  });

  it('says that its server died, and exits 1', async () => {
    const running = start('src/cli/main.ts', 'bench', '--seconds', '0.1');
    await running.prints(/^calls, 1 in flight /m);
    for (const pid of serverPids()) process.kill(pid, 'SIGKILL');
    const { code, stderr } = await running.finished;
    expect({ code, stderr }).toEqual({ code: 1, stderr: "statewire: the server's process ended by SIGKILL before all was measured\n" });
  });

  it('leaves nothing behind when it is killed itself', async () => {
    const running = start('src/cli/main.ts', 'bench', '--seconds', '0.1');
    await running.prints(/^calls, 1 in flight /m);
    running.signal('SIGKILL');
    await running.finished;
    await vi.waitFor(async () => expect([await foldersThere(), serverPids()]).toEqual([[], []]), { timeout: 10_000 });
  });

  it.each(['0.05', '601', 'soon', '-1', '', 'Infinity'])('refuses --seconds %j with exit code 2', async (seconds) => {
    const { code, stdout, stderr } = await bench(`--seconds=${seconds}`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const said = `statewire: --seconds must be a number from 0.1 to 600, not ${JSON.stringify(seconds)} (statewire bench --help tells more)\n`;
    expect(stderr).toBe(said);
  });
});
