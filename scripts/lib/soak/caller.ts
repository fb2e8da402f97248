/**
 * Makes the calls of intents and writes down how each settled, and how the end of its channel that stays here did. What is checked at once is what nobody
 * else can know: values, and the items of streams.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { channel, release, RpcError } from 'statewire';
import type { CallOptions, Client, Connection, Rx, Session, Tx } from 'statewire';
import { itemAt, Soak, sumOf, valueOf } from './contract.ts';
import type { Answer, Failure, SumTask, Task, TicksTask } from './contract.ts';
import type { Asking, Intent } from './plan.ts';
import type { Records } from './records.ts';

export type SoakClient = Client<typeof Soak>;

/** A session with the clients of its standing connections. */
export interface SoakPeer {
  readonly session: Session;
  readonly clients: Readonly<Record<'root' | 'first' | 'second', SoakClient>>;
}

export class Caller {
  readonly #records: Records;
  readonly #peers: readonly SoakPeer[];

  constructor(records: Records, peers: readonly SoakPeer[]) {
    this.#records = records;
    this.#peers = peers;
  }

  /** Settles when all calls of the intent have. */
  async carryOut(intent: Intent): Promise<void> {
    await Promise.all(intent.askings.map((asking, index) => this.#ask(intent, asking, index)));
  }

  async #ask(intent: Intent, asking: Asking, index: number): Promise<void> {
    if (asking.afterMs > 0) await sleep(asking.afterMs);
    const peer = this.#peerOf(intent, asking);
    if (asking.place === 'fresh') await this.#onFreshConnection(peer, intent, index);
    else await this.#call(peer.clients[asking.place], intent, index);
  }

  #peerOf({ session }: Intent, { elsewhere }: Asking): SoakPeer {
    const peer = this.#peers[session % this.#peers.length] as SoakPeer;
    return (elsewhere ? this.#peers.find((other) => other !== peer && sameScope(other, peer)) : undefined) ?? peer;
  }

  async #onFreshConnection({ session }: SoakPeer, intent: Intent, index: number): Promise<void> {
    let connection: Connection;
    try {
      connection = await session.open();
    } catch (error) {
      this.#records.breach(`intent ${intent.n}: its connection could not be opened: ${nameOf(error)}`);
      return;
    }
    const { closesUnder, givingUpMs } = intent.askings[index] as Asking;
    const client = connection.client(Soak);
    const called = this.#call(client, intent, index);
    if (closesUnder) await sleep(givingUpMs);
    else await called;
    await closeOrRelease(connection, client);
    await called;
  }

  async #call(client: SoakClient, intent: Intent, index: number): Promise<void> {
    const { n, operationId } = intent;
    const { givingUp, givingUpMs } = intent.askings[index] as Asking;
    const abort = givingUp === 'aborted' ? new AbortController() : undefined;
    const timer = abort && setTimeout(() => abort.abort(), givingUpMs);
    const options: CallOptions = {
      operationId,
      signal: abort?.signal,
      timeoutMs: givingUp === 'timeout' ? givingUpMs : undefined,
      onResponseMetadata: () => this.#records.answered(n, index),
    };
    const { answer, stream } = this.#start(client, intent, options);
    try {
      await answer.then(
        (value) => this.#gotValue(intent, index, value),
        (error: unknown) => this.#gotError(intent, index, error),
      );
      if (stream !== undefined) this.#records.streamEnded(n, await stream);
    } finally {
      clearTimeout(timer);
    }
  }

  #start(client: SoakClient, intent: Intent, options: CallOptions): { answer: Promise<Answer>; stream?: Promise<string> } {
    const { method, n, does, handlerMs, items, credit } = intent;
    const task: Task = { n, does, ms: handlerMs };
    switch (method) {
      case 'sum':
      case 'sumIdem': {
        const [tx, numbers] = channel<number>({ credit });
        const answer = client[method]({ ...task, numbers } satisfies SumTask, options);
        return { answer, stream: this.#feed(tx, intent) };
      }
      case 'ticks':
      case 'ticksIdem': {
        const [out, rx] = channel<number>({ credit });
        const answer = client[method]({ ...task, count: items, out } satisfies TicksTask, options);
        return { answer, stream: this.#drain(rx, intent) };
      }
      case 'volatile':
      case 'idem':
      case 'persist':
      case 'persistIdem':
        return { answer: client[method](task, options) };
    }
  }

  /** Says how it ended: `closed`, or the error that stopped it. Begins again where it is told to (resume.rebind). */
  async #feed(tx: Tx<number>, { n, items }: Intent): Promise<string> {
    for (;;) {
      try {
        for (let index = 0; index < items; index++) await tx.send(itemAt(n, index));
        tx.close();
        return 'closed';
      } catch (error) {
        const why = nameOf(error);
        if (why !== 'connection-closed:restarted') return why;
        this.#records.streamRestarts++;
      }
    }
  }

  async #drain(rx: Rx<number>, { n, items }: Intent): Promise<string> {
    for (;;) {
      let index = 0;
      try {
        for await (const item of rx) {
          if (item !== itemAt(n, index)) this.#records.breach(`intent ${n}: item ${index} of its stream is ${item}, not ${itemAt(n, index)}`);
          index++;
        }
        if (index !== items) this.#records.breach(`intent ${n}: its stream looks complete with ${index} of ${items} items`);
        return 'complete';
      } catch (error) {
        const why = nameOf(error);
        if (why !== 'connection-closed:restarted') return why;
        this.#records.streamRestarts++;
      }
    }
  }

  #gotValue(intent: Intent, index: number, answer: Answer): void {
    const { n } = intent;
    this.#records.settle(n, index, { outcome: 'value', answer });
    const expected = expectedValue(intent);
    if (answer.value !== expected) this.#records.breach(`call ${n}.${index} (${intent.method}) has the value ${answer.value}, not ${expected}`);
  }

  #gotError({ n, method }: Intent, index: number, error: unknown): void {
    const failure = error instanceof RpcError && error.kind === 'user' ? (error.data as Failure) : undefined;
    this.#records.settle(n, index, { outcome: nameOf(error), answer: failure });
    if (failure !== undefined && failure.code !== n) this.#records.breach(`call ${n}.${index} (${method}) has the failure of intent ${failure.code}`);
  }
}

function expectedValue({ method, n, items }: Intent): number {
  if (method.startsWith('sum')) return sumOf(n, items);
  return method.startsWith('ticks') ? items : valueOf(n);
}

/** The kind of an error, with its reason where it has one. A channel's reset has the peer's reason as its data. */
function nameOf(error: unknown): string {
  if (!(error instanceof RpcError)) return `no RpcError: ${String(error)}`;
  const reason = error.reason ?? (error.kind === 'channel-reset' ? (error.data as string | undefined) : undefined);
  return reason === undefined ? error.kind : `${error.kind}:${reason}`;
}

/** Closed by hand, or by letting go of it (liveness.last-drop), which closes nothing while a call is pending. */
async function closeOrRelease(connection: Connection, client: SoakClient): Promise<void> {
  if (connection.id % 4 < 2) {
    await connection.close();
  } else {
    release(client);
    release(connection);
    await connection.closed;
  }
}

function sameScope(one: SoakPeer, other: SoakPeer): boolean {
  return Buffer.compare(one.session.scope, other.session.scope) === 0;
}
