/** session.capacity: how many strangers and how many sessions a listening side bears, and what becomes of one more. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen, RpcError } from 'statewire';
import type { ListenOptions, LogEntry } from 'statewire';
import { memoryNetwork, SimulatedClock } from 'statewire/testing';
import { leavesNothing } from '../support/nothing-left.ts';

leavesNothing();

const PLACE = 'server';

async function serverOf(options: ListenOptions) {
  const clock = new SimulatedClock();
  const network = memoryNetwork({ clock });
  const log: LogEntry[] = [];
  const server = await listen(network.listener(PLACE), { clock, log: (entry) => void log.push(entry), ...options });
  onTestFinished(() => server.close());
  /** A peer that says nothing. Settles with how its link ended. */
  const stranger = async () => {
    const link = await network.connector(PLACE).connect(new AbortController().signal);
    const ended = new Promise<Error | undefined>((resolve) => link.open({ message: () => {}, drain: () => {}, close: resolve }));
    return { link, ended };
  };
  const dial = async () => {
    const session = await connect(network.connector(PLACE), { clock, reconnect: { baseMs: 1, jitter: 0 } });
    onTestFinished(() => session.close());
    return session;
  };
  return { clock, network, log, server, stranger, dial };
}

describe('links whose peer has not finished its handshake', () => {
  it('[session.capacity] are as many as maxHandshakes says; one more is cut at once, counted, and told once', async () => {
    const { server, stranger, dial, log } = await serverOf({ maxHandshakes: 3 });
    const strangers = await Promise.all([stranger(), stranger(), stranger()]);
    const refused = [await stranger(), await stranger()];
    for (const { ended } of refused) expect(await ended).toBeInstanceOf(Error);
    await expect(dial()).rejects.toThrow();
    expect(server.refusedLinks).toBe(3);
    expect(log.filter(({ event }) => event === 'links-refused')).toHaveLength(1);
    for (const { link } of strangers) link.abort();
  });

  it('[session.capacity] [session.handshake-limits] make room when they are cut for being slow, and when they have finished', async () => {
    const { clock, stranger, dial, server } = await serverOf({ maxHandshakes: 1 });
    await stranger();
    await expect(dial()).rejects.toThrow();
    await clock.advance(10_000);
    expect((await dial()).status).toBe('connected');
    expect((await dial()).status).toBe('connected');
    expect(server.sessions.size).toBe(2);
  });
});

describe('sessions', () => {
  it('[session.capacity] are as many as maxSessions says, with a link or without; a hello that would begin one more is refused with words', async () => {
    const { server, dial, network, clock } = await serverOf({ maxSessions: 2 });
    const [first, second] = [await dial(), await dial()];
    const refusal = await dial().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RpcError);
    expect(refusal).toMatchObject({ kind: 'refused' });
    expect((refusal as Error).message).toContain('session.capacity');
    network.cut();
    network.heal();
    // Both resume, and are the same two.
    await clock.advance(5);
    expect([first.status, second.status, first.generation, second.generation]).toEqual(['connected', 'connected', 2, 2]);
    await first.close();
    await clock.advance(1);
    expect(server.sessions.size).toBe(1);
    expect((await dial()).status).toBe('connected');
  });

  it.each<[string, ListenOptions]>([
    ['options.maxHandshakes', { maxHandshakes: 0 }],
    ['options.maxSessions', { maxSessions: 1.5 }],
  ])('[session.capacity] refuses %s that makes no sense', async (path, options) => {
    await expect(listen(memoryNetwork().listener(PLACE), options)).rejects.toThrow(path);
  });
});
