/**
 * Nothing is left of calls and sessions that are over: no actor, timer, listener, handle, table entry or record. Counted where the runtime
 * counts (actor hosts, drivers, operation tables, stores), and by the garbage collector. On real sockets.
 */
import { getEventListeners, setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, defineService, implement, listen, memoryStore, method } from 'statewire';
import type { Client, Clock, ConnectOptions, Server, Session, StandardSchemaV1 } from 'statewire';
import { tcp } from 'statewire/tcp';
import type { TcpAddress } from 'statewire/tcp';
import { Driver } from '../../src/driver/driver.ts';
import { tableOf } from '../../src/driver/operation-table.ts';
import { ActorHost } from '../../src/machines/actor-host.ts';
import { echo, setScene, Target } from '../support/hostile-scene.ts';
import { hello } from '../support/hostile-peer.ts';
import { frame, until } from '../support/raw-socket.ts';
import { encodeMessage, encodeValue } from 'statewire/wire';

const TIMEOUT_MS = 120_000;
const CALLS = 10_000;
const AT_ONCE = 48;
const MAX_CONCURRENT = 16;

const isNumber: StandardSchemaV1<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => (typeof value === 'number' ? { value } : { issues: [{ message: 'is no number' }] }),
  },
};

const Mixed = defineService('Mixed', {
  volatile: method<number, number>(),
  idem: method<number, number>({ idem: true }),
  persist: method<number, number>({ persist: true }),
  later: method<number, number>({ persist: true, idem: true }),
  fails: method<number, void, { code: number }>(),
  throws: method<number>(),
  hangs: method<number>(),
  hangsPersistently: method<number, number>({ persist: true }),
  large: method<Uint8Array, Uint8Array>({ idem: true }),
  checked: method({ input: isNumber, output: isNumber }),
  unencodable: method<undefined, unknown>(),
  /** Answers once `MAX_CONCURRENT` of them run at the same time. */
  meet: method(),
});
/** The same methods for a caller without the schemas. */
const Unchecked = defineService('Mixed', { checked: method<unknown, unknown>() });
const Elsewhere = defineService('Elsewhere', { gone: method<number, number>() });

function serveMixed() {
  let arrived: (() => void)[] = [];
  return implement(Mixed, {
    volatile: (input) => input,
    idem: async (input) => input,
    persist: (input, call) => {
      call.responseMetadata.set('seen', 'yes');
      return input;
    },
    later: async (input) => {
      await nextTurn();
      return input;
    },
    fails: (code, call) => call.fail({ code }),
    throws: (input) => {
      throw new Error(`no ${input}`);
    },
    hangs: (_, call) =>
      new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error), { once: true })),
    hangsPersistently: async (input) => {
      await nextTurn();
      return input;
    },
    large: (bytes) => bytes,
    checked: (input) => input,
    unencodable: () => () => {},
    meet: () =>
      new Promise<void>((resolve) => {
        arrived.push(resolve);
        if (arrived.length < MAX_CONCURRENT) return;
        for (const answer of arrived) answer();
        arrived = [];
      }),
  });
}

/** The platform's, and which of its timers have neither run nor been cleared. */
class CountingClock implements Clock {
  readonly pending = new Set<unknown>();

  now(): number {
    return Date.now();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = setTimeout(() => {
      this.pending.delete(timer);
      callback();
    }, delayMs);
    this.pending.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.pending.delete(timer);
    clearTimeout(timer as NodeJS.Timeout);
  }
}

/** Every actor host and driver that does something. */
const hosts = new Set<ActorHost>();
const drivers = new Set<Driver>();
const { count } = ActorHost.prototype;
const { receive } = Driver.prototype;

beforeEach(() => {
  ActorHost.prototype.count = function (this: ActorHost): void {
    hosts.add(this);
    count.call(this);
  };
  Driver.prototype.receive = function (this: Driver, message: Parameters<typeof receive>[0]): void {
    drivers.add(this);
    receive.call(this, message);
  };
});

afterEach(() => {
  ActorHost.prototype.count = count;
  Driver.prototype.receive = receive;
  hosts.clear();
  drivers.clear();
});

const liveActors = (): number => [...hosts].reduce((sum, { live }) => sum + live, 0);
const startedActors = (): number => [...hosts].reduce((sum, { started }) => sum + started, 0);
const inFlight = (): number =>
  [...drivers].reduce(
    (sum, { inbound, outbound, channels }) => sum + inbound.inFlight + outbound.pending + outbound.queued + channels.live + channels.early,
    0,
  );

/** What the process holds of the kinds that a runtime could leave behind. The test runner has timers, too, that come and go. */
function handles(): Record<string, number> {
  const counts: Record<string, number> = { TCPSocketWrap: 0, TCPServerWrap: 0, TCPConnectWrap: 0, Timeout: 0 };
  for (const kind of process.getActiveResourcesInfo()) if (kind in counts) counts[kind] = (counts[kind] as number) + 1;
  return counts;
}

function processListeners(): Record<string, number> {
  return Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)]));
}

/** Everything a caller can do, in turn. Settles when the caller has its outcome, whatever that is. */
class MixedCaller {
  readonly signal = new AbortController().signal;
  /** String ids that reached the server. */
  readonly names = new Set<string>();
  readonly outcomes = new Map<string, number>();
  readonly #mixed: Client<typeof Mixed>;
  readonly #unchecked: Client<typeof Unchecked>;
  readonly #elsewhere: Client<typeof Elsewhere>;
  readonly #prefix: string;

  constructor(session: Session, prefix: string) {
    // Many calls at once share it, which Node takes for a leak from the eleventh on.
    setMaxListeners(0, this.signal);
    this.#mixed = session.client(Mixed);
    this.#unchecked = session.client(Unchecked);
    this.#elsewhere = session.client(Elsewhere);
    this.#prefix = prefix;
  }

  async make(index: number): Promise<void> {
    for (const outcome of await Promise.allSettled(this.#calls(index))) {
      const what = outcome.status === 'fulfilled' ? 'value' : `${(outcome.reason as { kind?: string }).kind}`;
      this.outcomes.set(what, (this.outcomes.get(what) ?? 0) + 1);
    }
  }

  #calls(index: number): Promise<unknown>[] {
    const { signal } = this;
    const mixed = this.#mixed;
    switch (index % 20) {
      case 0:
        return [mixed.idem(index, { signal, timeoutMs: 60_000 })];
      case 1:
        return [mixed.persist(index, { onResponseMetadata: (view) => void view.get('seen') })];
      case 2:
        return [mixed.fails(index, { signal })];
      case 3:
        return [mixed.throws(index, { timeoutMs: 60_000 })];
      case 4:
        return [this.#abandoned('hangs', index, 'at once')];
      case 5:
        return [this.#abandoned('hangs', index, 'later')];
      case 6:
        return [mixed.hangs(index, { timeoutMs: 1, signal })];
      case 7:
        return this.#duplicates('later', index);
      case 8:
        return this.#duplicates('volatile', index);
      case 9:
        return [this.#elsewhere.gone(index, { signal })];
      case 10:
        return [this.#unchecked.checked('no number', { signal })];
      case 11:
        return [mixed.checked('no number' as never)];
      case 12:
        return [mixed.large(new Uint8Array(50_000).fill(index), { signal, timeoutMs: 60_000 })];
      case 13:
        return [mixed.unencodable()];
      case 14:
        return [mixed.volatile(index, { signal: AbortSignal.abort() })];
      case 15:
        return [mixed.volatile((() => index) as never, { signal, timeoutMs: 60_000 })];
      case 16:
        return [this.#abandoned('hangsPersistently', index, 'later')];
      case 17:
        return [
          mixed.volatile(index, {
            metadata: { trace: index },
            onResponseMetadata: () => {
              throw new Error('no');
            },
          }),
        ];
      case 18:
        return this.#conflict(index);
      default:
        return [mixed.volatile(index)];
    }
  }

  /** Gives up before the call can have left, or when it has. */
  async #abandoned(name: 'hangs' | 'hangsPersistently', index: number, when: 'at once' | 'later'): Promise<unknown> {
    const giveUp = new AbortController();
    const call = this.#mixed[name](index, { signal: giveUp.signal });
    call.catch(() => {});
    if (when === 'later') await nextTurn();
    giveUp.abort();
    return call.finally(() => expect(getEventListeners(giveUp.signal, 'abort')).toEqual([]));
  }

  #duplicates(name: 'later' | 'volatile', index: number): Promise<unknown>[] {
    const operationId = this.#name(index);
    return [1, 2, 3].map(() => this.#mixed[name](index, { operationId, signal: this.signal }));
  }

  #conflict(index: number): Promise<unknown>[] {
    const operationId = this.#name(index);
    return [1, 2].map((number) => this.#mixed.volatile(number, { operationId }));
  }

  #name(index: number): string {
    const name = `${this.#prefix}-${index}`;
    this.names.add(name);
    return name;
  }
}

/** Makes so many calls, some at once, and waits for their outcomes. */
async function makeCalls(callers: readonly MixedCaller[], total: number): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < total; index = next++) await callers[index % callers.length]?.make(Math.floor(index / callers.length));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function connectTo(server: Server<TcpAddress>, options: ConnectOptions): Promise<Session> {
  return connect(tcp(server.address), { services: [serveMixed()], maxConcurrentRequests: MAX_CONCURRENT, ...options });
}

describe('leaks', () => {
  it(
    'leaves nothing of 10,000 mixed calls, neither while the sessions stay open nor after their end',
    async () => {
      const [handlesBefore, listenersBefore] = [handles(), processListeners()];
      const clock = new CountingClock();
      const store = memoryStore();
      const serverSessions: Session[] = [];
      const server = await listen(tcp({ port: 0 }), {
        services: [serveMixed()],
        store,
        clock,
        maxConcurrentRequests: MAX_CONCURRENT,
        onSession: (session) => serverSessions.push(session),
      });
      const scope = new Uint8Array(32).fill(5);
      const sessions = [
        await connectTo(server, { clock }),
        await connectTo(server, { clock, scope }),
        await connectTo(server, { clock, scope }),
        await connectTo(server, { clock, retry: false }),
      ];
      // The server calls back: one of its sessions is a caller, too.
      const callers = [...sessions, serverSessions[0] as Session].map(
        (session, index) => new MixedCaller(session, index === 1 || index === 2 ? 'shared' : `own-${index}`),
      );
      await makeCalls(callers, 100);
      // Of each end of a session there live its driver and its keep-alive.
      await until(() => liveActors() <= 2 * drivers.size);
      // One a store, which is swept from time to time, and one a keep-alive.
      const timers = sessions.length + 1 + drivers.size;

      await makeCalls(callers, CALLS);
      expect(startedActors()).toBeGreaterThan(2 * CALLS);
      const outcomes = callers.flatMap((caller) => [...caller.outcomes.keys()]);
      expect(new Set(outcomes)).toEqual(new Set(['value', 'user', 'cancelled', 'unknown-method', 'invalid-payload']));

      // While the sessions stay open: nothing lives but these.
      await until(() => liveActors() === 2 * drivers.size && clock.pending.size === timers);
      expect(inFlight()).toBe(0);
      expect(tableOf(store).live).toBe(0);
      expect(tableOf(store).spaces).toBe(sessions.length - 1);
      for (const { counters } of [...sessions, ...serverSessions])
        expect(counters).toMatchObject({ zombies: 0, protocolErrors: 0, storeFailures: 0, secondAnswers: 0, lateItems: 0 });
      for (const caller of callers) expect(getEventListeners(caller.signal, 'abort')).toEqual([]);
      // No attempt's place was lost: as many calls as ever can run at the same time, each way.
      for (const session of [...sessions, serverSessions[0] as Session]) {
        await Promise.all(Array.from({ length: MAX_CONCURRENT }, () => session.client(Mixed).meet()));
      }
      await until(() => clock.pending.size === timers);
      // Of the records only those with a name are left, which are kept for their time.
      const names = new Set(callers.slice(0, 3).flatMap((caller) => [...caller.names]));
      expect(store.sweep(Date.now() + 2 * store.retentionMs)).toBe(names.size);

      await Promise.all(sessions.map((session) => session.close()));
      await Promise.all(serverSessions.map((session) => session.closed));
      expect(server.sessions.size).toBe(0);
      expect(tableOf(store).spaces).toBe(0);
      await server.close();
      expect(liveActors()).toBe(0);
      await until(() => clock.pending.size === 0);
      await until(() => Object.entries(handles()).every(([kind, present]) => present <= (handlesBefore[kind] ?? 0)));
      expect(processListeners()).toEqual(listenersBefore);
    },
    TIMEOUT_MS,
  );

  it(
    '[op.ack] tells what is settled when a session is closed, so that its records go with it',
    async () => {
      const store = memoryStore();
      await using server = await listen(tcp({ port: 0 }), { services: [serveMixed()], store });
      const session = await connectTo(server, {});
      const mixed = session.client(Mixed);
      await Promise.all(Array.from({ length: 10 }, (_, index) => mixed.persist(index)));
      await session.close();
      await until(() => server.sessions.size === 0);
      expect(store.sweep(Date.now() + 2 * store.retentionMs)).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'leaves nothing of calls that are in flight, queued or given up when the session ends',
    async () => {
      const clock = new CountingClock();
      const store = memoryStore();
      const server = await listen(tcp({ port: 0 }), { services: [serveMixed()], store, clock, maxConcurrentRequests: MAX_CONCURRENT });
      const session = await connectTo(server, { clock });
      const { signal } = new AbortController();
      setMaxListeners(0, signal);
      const mixed = session.client(Mixed);
      const calls = Array.from({ length: 3 * MAX_CONCURRENT }, (_, index) => mixed.hangs(index, { signal, timeoutMs: 60_000 }));
      const outcomes = Promise.allSettled([
        ...calls,
        ...Array.from({ length: 5 }, (_, index) => mixed.hangs(index, { signal: AbortSignal.timeout(1) })),
      ]);
      const [serverSession] = server.sessions.values();
      await until(() => serverSession?.counters.started === MAX_CONCURRENT);
      await session.close();
      expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
      await until(() => server.sessions.size === 0);
      expect(tableOf(store).live).toBe(0);
      expect(inFlight()).toBe(0);
      await until(() => serverSession?.counters.zombies === 0);
      await server.close();
      expect(liveActors()).toBe(0);
      await until(() => clock.pending.size === 0);
    },
    TIMEOUT_MS,
  );

  it(
    '[op.ack] keeps nothing for each of the series that a peer makes up',
    async () => {
      const store = memoryStore();
      await using scene = await setScene({ store });
      using peer = await scene.dial();
      await peer.greet();
      for (let index = 0; index < 2_000; index++) {
        const series = index.toString(16).padStart(16, '0');
        peer.send(echo(2 * index + 1, { methodId: Target.methods.blob.id, operationId: 1, series, args: encodeValue(0) }));
        expect(await peer.next()).toMatchObject({ type: 'response', ok: true });
      }
      const table = tableOf(store);
      expect(table.live).toBe(0);
      // The witness's and the peer's own.
      expect(table.series).toBe(2);
    },
    TIMEOUT_MS,
  );
});

/** Turns of the event loop with a collection each, until all are collected. What still stands after so many is held by somebody. */
async function collected(references: readonly WeakRef<object>[]): Promise<number> {
  for (let turn = 0; turn < 50 && references.some((reference) => reference.deref() !== undefined); turn++) {
    await nextTurn();
    globalThis.gc?.();
  }
  return references.filter((reference) => reference.deref() !== undefined).length;
}

describe('garbage', () => {
  beforeEach(() => {
    // These would hold what is to be collected.
    ActorHost.prototype.count = count;
    Driver.prototype.receive = receive;
  });

  it(
    'is what a closed session is, at both ends, while its server lives on',
    async () => {
      const references: WeakRef<object>[] = [];
      await using server = await listen(tcp({ port: 0 }), {
        services: [serveMixed()],
        onSession: (session) => references.push(new WeakRef(session)),
      });
      const useAndClose = async (index: number): Promise<void> => {
        const session = await connectTo(server, {});
        references.push(new WeakRef(session), new WeakRef(session.actor), new WeakRef(session.root));
        const caller = new MixedCaller(session, `session-${index}`);
        await makeCalls([caller], 40);
        await session.close();
      };
      for (let index = 0; index < 20; index++) await useAndClose(index);
      await until(() => server.sessions.size === 0);
      expect(references).toHaveLength(80);
      expect(await collected(references)).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'is what a server is after its close',
    async () => {
      const references: WeakRef<object>[] = [];
      const serveAndClose = async (): Promise<void> => {
        const server = await listen(tcp({ port: 0 }), { services: [serveMixed()] });
        const session = await connectTo(server, {});
        await session.client(Mixed).volatile(1);
        references.push(new WeakRef(server), new WeakRef(server.actor), new WeakRef(session));
        await server.close();
        await session.closed;
      };
      for (let round = 0; round < 5; round++) await serveAndClose();
      expect(await collected(references)).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'is what a session is whose peer never finished its handshake',
    async () => {
      const references: WeakRef<object>[] = [];
      const { attach } = ActorHost.prototype;
      // The log of a scene keeps errors, and an error keeps what was on the stack until somebody reads its trace.
      await using scene = await setScene({ log: () => {} });
      ActorHost.prototype.attach = function (this: ActorHost): void {
        references.push(new WeakRef(this));
        attach.call(this);
      };
      try {
        for (let index = 0; index < 20; index++) {
          using peer = await scene.dial();
          if (index % 2 === 0) peer.write(frame(encodeMessage(hello())).subarray(0, 30));
          else await peer.send(hello({ version: 3 })).ended;
        }
        await until(() => references.length === 20);
      } finally {
        ActorHost.prototype.attach = attach;
      }
      expect(await collected(references)).toBe(0);
    },
    TIMEOUT_MS,
  );
});
