/** Whatever happens to links, at whatever moment: every call ends, nothing that is not idem runs twice, and nobody breaks a rule. By seeded dice. */
import { describe, expect, it } from 'vitest';
import { channel, defineService, implement, method, RpcError } from 'statewire';
import type { Connection, Rx, Session, Tx } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { isSettled } from '../support/peers.ts';
import { resumePeers } from '../support/resume-peers.ts';

leavesNothing();

const Mixed = defineService('Mixed', {
  run: method<number, number>(),
  idem: method<number, number>({ idem: true }),
  persist: method<number, number>({ persist: true }),
  sum: method<{ call: number; items: Rx<number> }, number>({ idem: true }),
  count: method<{ call: number; out: Tx<number> }, number>(),
});

function makeDice(seed: number): (sides: number) => number {
  let state = seed * 7_919 + 1;
  return (sides) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % sides;
  };
}

/** How often each call ran, and what its handlers wait for. */
function mixed() {
  const runs = new Map<number, number>();
  const waiting: (() => void)[] = [];
  const begin = (call: number) => void runs.set(call, (runs.get(call) ?? 0) + 1);
  const wait = () => new Promise<void>((resolve) => waiting.push(resolve));
  const echo = async (call: number) => {
    begin(call);
    await wait();
    return call;
  };
  const service = implement(Mixed, {
    run: echo,
    idem: echo,
    persist: echo,
    async sum({ call, items }) {
      begin(call);
      let total = 0;
      for await (const item of items) total += item;
      return total;
    },
    async count({ call, out }) {
      begin(call);
      for (let item = 1; item <= 3; item++) await out.send(item);
      out.close();
      return call;
    },
  });
  const letGo = () => waiting.splice(0).forEach((resolve) => resolve());
  return { service, runs, letGo };
}

/** Sends all items, from the beginning again whenever it is told to. */
async function sendAgainAndAgain(tx: Tx<number>): Promise<void> {
  for (;;) {
    try {
      for (const item of [1, 2, 3]) await tx.send(item);
      tx.close();
      return;
    } catch (error) {
      if (!(error instanceof RpcError) || error.reason !== 'restarted') return;
    }
  }
}

type Ended = { readonly value: unknown } | { readonly kind: string; readonly reason: string | undefined };

async function endOf(promise: Promise<unknown>): Promise<Ended> {
  try {
    return { value: await promise };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { kind: error.kind, reason: error.reason };
  }
}

describe('[session.outlives-link] at random', () => {
  it.each(Array.from({ length: 25 }, (_, at) => at + 1))('[resume.generations] seed %i', async (seed) => {
    const dice = makeDice(seed);
    const [here, there] = [mixed(), mixed()];
    const onConnection = { onConnection: (request: { accept: (terms: object) => unknown }) => void request.accept({ services: [there.service] }) };
    const options = { maxConcurrentRequests: 3 };
    const peers = await resumePeers({
      client: { services: [here.service], ...options },
      server: { services: [there.service], ...options, ...onConnection },
    });
    const connections: Connection[] = [];
    const ended: { call: number; by: Session | Connection; name: string; end: Promise<Ended>; cancelled: boolean }[] = [];
    const opening: Promise<unknown>[] = [];

    const ask = (by: Session | Connection) => {
      const client = by.client(Mixed);
      const call = ended.length + 1;
      const abort = new AbortController();
      const { signal } = abort;
      const name = (['run', 'idem', 'persist', 'sum', 'count'] as const)[dice(5)]!;
      const entry = { call, by, name, cancelled: false };
      let outcome: Promise<unknown>;
      if (name === 'sum') {
        const [tx, rx] = channel<number>({ credit: 2 });
        outcome = client.sum({ call, items: rx }, { signal });
        void sendAgainAndAgain(tx);
      } else if (name === 'count') {
        const [out, rx] = channel<number>();
        outcome = client.count({ call, out }, { signal });
        void rx.recv().catch(() => {});
      } else outcome = client[name](call, { signal });
      ended.push({ ...entry, end: endOf(outcome) });
      if (dice(5) === 0) {
        ended.at(-1)!.cancelled = true;
        peers.world.clock.setTimeout(() => abort.abort(), dice(800));
      }
    };
    const open = () => {
      opening.push(
        peers.session.open().then(
          (connection) => void connections.push(connection),
          () => {},
        ),
      );
    };
    const steps = [
      () => ask(peers.session),
      () => ask(peers.accepted),
      () => ask(connections[dice(connections.length + 1)] ?? peers.session),
      () => open(),
      () => void connections[dice(connections.length + 1)]?.close(),
      () => peers.network.cut(),
      () => peers.network.heal(),
      () => peers.network.heal(),
      () => peers.network.delay(dice(3) * 40),
      () => here.letGo(),
      () => there.letGo(),
      () => peers.session.retryNow(),
    ];
    for (let step = 0; step < 150; step++) {
      steps[dice(steps.length)]?.();
      await peers.advance([0, 1, 30, 90, 300][dice(5)]!);
    }
    peers.network.heal();
    peers.network.delay(0);
    for (let round = 0; round < 40; round++) {
      await peers.advance(1_000);
      here.letGo();
      there.letGo();
    }
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    const hanging: string[] = [];
    for (const { call, name, end } of ended) if (!(await isSettled(end))) hanging.push(`${name} ${call}`);
    expect(hanging).toEqual([]);
    for (const open of opening) expect(await isSettled(open)).toBe(true);
    for (const { call, name, end, by, cancelled } of ended) {
      const runs = (here.runs.get(call) ?? 0) + (there.runs.get(call) ?? 0);
      if (name !== 'idem' && name !== 'sum') expect({ name, call, runs: Math.min(runs, 2) }).not.toEqual({ name, call, runs: 2 });
      const outcome = await end;
      const isWhole = !cancelled && (by === peers.session || by === peers.accepted);
      // Only links were lost: of these policies every call has its outcome.
      // Whoever had closed a stream when it was begun again cannot send it again, and a cut stream never looks complete.
      if (isWhole && name === 'sum') expect([{ value: 6 }, { kind: 'cancelled', reason: 'handler-failed' }]).toContainEqual(outcome);
      else if (isWhole && name !== 'count') expect(outcome).toEqual({ value: call });
    }
    for (const { counters } of [peers.session, peers.accepted]) expect([counters.protocolErrors, counters.restarted]).toEqual([0, 0]);
    expect(peers.session.counters.linksLost).toBeGreaterThan(0);
  });
});
