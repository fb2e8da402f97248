import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { unix } from 'statewire/tcp';
import { connectPair, linkConformance, record } from '../support/links.ts';

const directory = mkdtempSync(join(tmpdir(), 'statewire-unix-'));
afterAll(() => rmSync(directory, { recursive: true }));
let lastSocket = 0;
const freshPath = (): string => join(directory, `${++lastSocket}.sock`);

linkConformance(
  'unix',
  (limits) => connectPair(unix({ path: freshPath() }), (address) => unix(address), limits),
  { tellsAbort: false, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

const never = new AbortController().signal;

/** The file that a listener leaves which was killed. */
function leaveStaleSocket(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
}

describe('unix', () => {
  it('takes over a socket file that nobody listens on any more', async () => {
    const path = freshPath();
    leaveStaleSocket(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    const pair = await connectPair(unix({ path }), () => unix({ path }));
    const receiver = record(pair.acceptor);
    pair.initiator.send(Uint8Array.of(1));
    expect(await receiver.received(1)).toEqual([Uint8Array.of(1)]);
    await pair.dispose();
  });

  it('leaves a socket alone that somebody listens on', async () => {
    const path = freshPath();
    const listening = await unix({ path }).listen(() => {});
    await expect(unix({ path }).listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const link = await unix({ path }).connect(never);
    link.abort();
    await listening.close();
    expect(existsSync(path)).toBe(false);
  });

  it('leaves a file alone that is no socket', async () => {
    const path = freshPath();
    writeFileSync(path, 'precious');
    await expect(unix({ path }).listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('rejects when nobody listens', async () => {
    await expect(unix({ path: freshPath() }).connect(never)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
