/** The real thing beside the model: two peers over a memory network, whose handlers end when they are told to, and a server that can be killed. */
import { channel, connect, defineService, implement, listen, method } from 'statewire';
import type { CallContext, Client, Connection, PeerOptions, Rx, Server, Session, Tx } from 'statewire';
import { memoryNetwork, SeededRandom, SimulatedClock } from 'statewire/testing';
import { SimulatedDisk } from '../../../src/testing/simulation/disk.ts';
import { SimulatedProcess } from '../../../src/testing/simulation/process.ts';
import { SimulatedStore } from '../../../src/testing/simulation/store.ts';
import { nameOf as nameOfError } from '../../../src/testing/trial/calling.ts';
import { DEADLINE_MS, isStream, nameOf, RETENTION_MS, TTL_MS } from './model.ts';
import type { Call, Direction, StoreKind } from './model.ts';

interface Task {
  readonly name: string;
  readonly args: number;
}

interface StreamTask extends Task {
  readonly numbers: Rx<number>;
}

const Lab = defineService('Lab', {
  volatile: method<Task, string, string>(),
  idem: method<Task, string, string>({ idem: true }),
  persist: method<Task, string, string>({ persist: true }),
  both: method<Task, string, string>({ persist: true, idem: true }),
  stream: method<StreamTask, string, string>(),
  streamIdem: method<StreamTask, string, string>({ idem: true }),
});

type Ending = 'value' | 'user' | 'throws';

/** More than a step sends. */
const CREDIT = 100;
const SCOPE = new Uint8Array(32).fill(7);

export class System {
  readonly clock = new SimulatedClock(1_000_000);
  readonly network = memoryNetwork({ clock: this.clock });
  readonly runs = new Map<string, number>();
  readonly outcomes = new Map<number, string>();
  readonly #streams = new Map<number, Tx<number>>();
  readonly #stops = new Map<number, AbortController>();
  readonly #handlers = new Map<string, (how: Ending) => void>();
  readonly #random = new SeededRandom(1);
  readonly #disk: SimulatedDisk;
  #server = this.#newProcess();
  #listening: Server | undefined;
  #session!: Session;
  #accepted: Session | undefined;
  #virtual: Connection | undefined;
  /** The acceptor's end of the virtual connection. */
  #virtualThere: Connection | undefined;
  #stopListening: () => void = () => {};
  readonly #held: unknown[] = [];

  constructor(kind: StoreKind) {
    const { clock } = this;
    this.#disk = new SimulatedDisk({ name: 'disk', kind, clock, random: this.#random.fork(), retentionMs: RETENTION_MS, onForgotten: () => {} });
  }

  async start(): Promise<void> {
    await this.#listen();
    const { clock } = this;
    const store = new SimulatedStore(
      new SimulatedDisk({ name: 'own', kind: 'memory', clock, random: this.#random.fork(), retentionMs: RETENTION_MS, onForgotten: () => {} }),
      this.#newProcess(),
    );
    const reconnect = { baseMs: 5, maxMs: 5, jitter: 0, deadlineMs: DEADLINE_MS };
    const connecting = connect(this.network.connector('server'), { ...this.#options('down'), store, clock, scope: SCOPE, reconnect });
    await clock.advance(10);
    this.#session = await connecting;
  }

  get status(): string {
    return this.#session.status;
  }

  call(call: Call): void {
    const stop = new AbortController();
    this.#stops.set(call.n, stop);
    const options = { operationId: call.isNamed ? call.key : undefined, signal: stop.signal };
    const task = { name: nameOf(call), args: call.args };
    const client = this.#clientOf(call);
    const answer = isStream(call.policy) ? this.#callStream(client, call, { task, options }) : client[call.policy as 'volatile'](task, options);
    answer.then(
      (value) => this.outcomes.set(call.n, value),
      (error: unknown) =>
        this.outcomes.set(call.n, (error as { kind?: string }).kind === 'user' ? String((error as { data: unknown }).data) : nameOfError(error)),
    );
  }

  end(name: string, how: Ending): void {
    this.#handlers.get(name)?.(how);
  }

  cancel(n: number): void {
    this.#stops.get(n)?.abort();
  }

  /** Begins again where it is told to (resume.rebind). */
  async send(n: number): Promise<void> {
    const tx = this.#streams.get(n) as Tx<number>;
    for (let tries = 0; ; tries++) {
      try {
        await tx.send(n);
        return;
      } catch (error) {
        if (nameOfError(error) !== 'connection-closed:restarted' || tries > 0) throw error;
      }
    }
  }

  closeStream(n: number): void {
    (this.#streams.get(n) as Tx<number>).close();
  }

  crash(): void {
    this.network.cut();
    this.#server.kill();
    this.#stopListening();
    this.#disk.crash();
    this.#accepted = undefined;
  }

  async restart(): Promise<void> {
    this.#server = this.#newProcess();
    await this.#listen();
  }

  async open(): Promise<void> {
    this.#virtual = await this.#session.open({ services: [this.#service('down')] });
    this.#held.push(this.#virtual);
  }

  close(): void {
    void this.#virtual?.close();
  }

  /** Ends everything. Gives how many timers are left. */
  async stop(): Promise<number> {
    this.network.heal();
    for (const end of this.#handlers.values()) end('value');
    await this.clock.advance(100);
    const closing = Promise.all([this.#session.close(), this.#listening?.close()]);
    await this.clock.advance(100);
    await closing;
    return this.clock.pending;
  }

  #newProcess(): SimulatedProcess {
    return new SimulatedProcess('server', this.clock, this.#random.fork());
  }

  async #listen(): Promise<void> {
    const process = this.#server;
    const inner = this.network.listener('server');
    const listener: typeof inner = {
      listen: async (onLink, limits) => {
        const listening = await inner.listen((link) => process.isAlive && onLink(process.adopt(link)), limits);
        this.#stopListening = () => void listening.close();
        return listening;
      },
    };
    this.#listening = await listen(listener, {
      ...this.#options('up'),
      store: new SimulatedStore(this.#disk, process),
      clock: process.clock,
      resume: { ttlMs: TTL_MS },
      onSession: (session) => void (this.#accepted = session),
      onConnection: (request) => void this.#held.push((this.#virtualThere = request.accept({ services: [this.#service('up')] }))),
    });
  }

  #options(direction: Direction) {
    return { services: [this.#service(direction)], random: this.#random.fork(), keepAlive: false } satisfies PeerOptions;
  }

  #service(direction: Direction) {
    const run = (task: Task, call: CallContext<string>): Promise<string> => {
      const count = this.#begin(task.name, direction);
      return new Promise((resolve, reject) => {
        this.#handlers.set(task.name, (how) => {
          if (how === 'throws') reject(new Error('told to throw'));
          else if (how === 'value') resolve(`value of run ${count}`);
          else attempt(() => call.fail(`user of run ${count}`), reject);
        });
      });
    };
    const read = async (task: StreamTask): Promise<string> => {
      const count = this.#begin(task.name, direction);
      let items = 0;
      for await (const _ of task.numbers) items++;
      return `value of run ${count}, ${items} items`;
    };
    return implement(Lab, { volatile: run, idem: run, persist: run, both: run, stream: read, streamIdem: read });
  }

  #begin(name: string, direction: Direction): number {
    if (!name.startsWith(direction)) throw new Error(`${name} came the wrong way`);
    const count = (this.runs.get(name) ?? 0) + 1;
    this.runs.set(name, count);
    return count;
  }

  #callStream(client: Client<typeof Lab>, call: Call, { task, options }: { task: Task; options: object }): Promise<string> {
    const [tx, numbers] = channel<number>({ credit: CREDIT });
    this.#streams.set(call.n, tx);
    return client[call.policy as 'stream']({ ...task, numbers }, options);
  }

  #clientOf({ direction, place }: Call): Client<typeof Lab> {
    const root = direction === 'up' ? this.#session : (this.#accepted as Session);
    const client = place === 'root' ? root.client(Lab) : ((direction === 'up' ? this.#virtual : this.#virtualThere) as Connection).client(Lab);
    this.#held.push(client);
    return client;
  }
}

function attempt(run: () => void, onError: (error: unknown) => void): void {
  try {
    run();
  } catch (error) {
    onError(error);
  }
}
