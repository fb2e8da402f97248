import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { stdio } from 'statewire/tcp';
import { connectPair, expectSame, linkConformance, pattern, record } from '../support/links.ts';

linkConformance(
  'stdio over two PassThroughs',
  (limits) => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    return connectPair(stdio(there, back), () => stdio(back, there), limits);
  },
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

/** What a child process runs: it echoes each payload, and closes when it gets an empty one. */
const ECHO = fileURLToPath(new URL('../support/stdio-child.ts', import.meta.url));

function startChild(): ChildProcessByStdio<Writable, Readable, null> {
  return spawn(process.execPath, ['--import', 'tsx', ECHO], { stdio: ['pipe', 'pipe', 'inherit'] });
}

const never = new AbortController().signal;

describe('stdio', () => {
  it('[link.close] talks with a child process, and both see the end when the parent closes', async () => {
    const child = startChild();
    const exited = once(child, 'exit');
    const link = await stdio(child.stdout, child.stdin).connect(never);
    const recorder = record(link);
    const sent = [1, 100, 70_000, 1_000_000].map((size) => pattern(size));
    for (const payload of sent) link.send(payload);
    expectSame(await recorder.received(sent.length), sent, { expect });
    link.close();
    expect(await recorder.closed()).toEqual([undefined]);
    expect(await exited).toEqual([0, null]);
  });

  it('[link.close] both see the end when the child closes, after all it has sent', async () => {
    const child = startChild();
    const exited = once(child, 'exit');
    const link = await stdio(child.stdout, child.stdin).connect(never);
    const recorder = record(link);
    link.send(pattern(500_000));
    link.send(pattern(0));
    expect(await recorder.closed()).toEqual([undefined]);
    expectSame(recorder.messages, [pattern(500_000)], { expect });
    expect(await exited).toEqual([0, null]);
  });

  it('[link.close] the death of the child is told once', async () => {
    const child = startChild();
    const link = await stdio(child.stdout, child.stdin).connect(never);
    const recorder = record(link);
    link.send(pattern(1));
    await recorder.received(1);
    link.send(pattern(5_000_000));
    child.kill('SIGKILL');
    expect(await recorder.closed()).toHaveLength(1);
  });

  it('makes one link: another connect or listen is refused for good', async () => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const end = stdio(there, back);
    const link = await end.connect(never);
    await expect(end.connect(never)).rejects.toMatchObject({ final: true });
    await expect(end.listen(() => {})).rejects.toMatchObject({ final: true });
    link.abort();
  });

  it('refuses streams that were told to decode text', async () => {
    const [there, back] = [new PassThrough({ encoding: 'utf8' }), new PassThrough()];
    const recorder = record(await stdio(there, back).connect(never));
    there.write('hello');
    expect(await recorder.closed()).toEqual([expect.any(TypeError)]);
  });

  it('[link.close] a stream that fails is told with its error', async () => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    const recorder = record(await stdio(there, back).connect(never));
    there.destroy(new Error('cable pulled'));
    expect(await recorder.closed()).toEqual([expect.objectContaining({ message: 'cable pulled' })]);
    expect(back.destroyed).toBe(true);
  });
});
