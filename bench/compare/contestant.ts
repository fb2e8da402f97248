/** A peer as the measuring process sees it: two child processes, started when they are first needed, begun anew after a failure. */
import { Child } from './child.ts';
import type { About, Heap, Usage } from './protocol.ts';
import type { Tasks } from './workloads/tasks.ts';

type TaskName = keyof Tasks;
type Params<K extends TaskName> = Parameters<Tasks[K]>[1];
type Found<K extends TaskName> = Awaited<ReturnType<Tasks[K]>>;

/** CPU of both processes while something was done. */
export interface Spent {
  readonly clientMicros: number;
  readonly serverMicros: number;
}

interface Pair {
  readonly server: Child;
  readonly client: Child;
  readonly port: number;
  /** What was found out for the life of these processes, by case. */
  readonly known: Map<string, Promise<unknown>>;
}

export class Contestant {
  readonly name: string;
  about: About | undefined;
  readonly #temporary: string;
  #pair: Promise<Pair> | undefined;
  /** What never came up is not tried again. */
  #neverStarted: Error | undefined;

  constructor(name: string, temporary: string) {
    this.name = name;
    this.#temporary = temporary;
  }

  start(): Promise<Pair> {
    if (this.#neverStarted !== undefined) return Promise.reject(this.#neverStarted);
    return (this.#pair ??= this.#startPair());
  }

  async run<K extends TaskName>(task: K, params: Params<K>): Promise<Found<K>> {
    const { client } = await this.start();
    return (await client.ask(task, params)) as Found<K>;
  }

  /** Like `run`, and what it cost both sides. */
  async runCounted<K extends TaskName>(task: K, params: Params<K>): Promise<{ readonly found: Found<K>; readonly spent: Spent }> {
    const before = await this.#usage();
    const found = await this.run(task, params);
    const after = await this.#usage();
    const spent = { clientMicros: after.clientMicros - before.clientMicros, serverMicros: after.serverMicros - before.serverMicros };
    return { found, spent };
  }

  async heaps(): Promise<{ readonly client: Heap; readonly server: Heap }> {
    const { client, server } = await this.start();
    return { client: (await client.ask('heap')) as Heap, server: (await server.ask('heap')) as Heap };
  }

  async pids(): Promise<readonly number[]> {
    const { client, server } = await this.start();
    return [client.pid, server.pid];
  }

  async port(): Promise<number> {
    return (await this.start()).port;
  }

  /** Done once in the life of the two processes: to warm them up, to find out how much of something makes a round. */
  async once<T>(key: string, find: () => Promise<T>): Promise<T> {
    const { known } = await this.start();
    const found = known.get(key) ?? find();
    known.set(key, found);
    return (await found) as T;
  }

  /** Ends both processes; the next use starts new ones. */
  async stop(): Promise<void> {
    const pair = this.#pair;
    this.#pair = undefined;
    try {
      const started = await pair;
      await started?.client.close();
      await started?.server.close();
    } catch {
      // It never came up: nothing is left to be ended.
    }
  }

  async #usage(): Promise<Spent> {
    const { client, server } = await this.start();
    const [ours, theirs] = (await Promise.all([client.ask('usage'), server.ask('usage')])) as [Usage, Usage];
    return { clientMicros: ours.cpuMicros, serverMicros: theirs.cpuMicros };
  }

  async #startPair(): Promise<Pair> {
    const server = new Child('server-process.js', [this.name], this.#temporary);
    try {
      const { port, ...about } = (await server.ask('about', undefined, 20_000)) as About & { port: number };
      this.about = about;
      const client = new Child('client-process.js', [this.name, String(port)], this.#temporary);
      await client.ask('usage', undefined, 20_000).catch((error: unknown) => {
        client.kill();
        throw error;
      });
      return { server, client, port, known: new Map() };
    } catch (error) {
      server.kill();
      if (this.about === undefined) this.#neverStarted = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}
