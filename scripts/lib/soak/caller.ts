/**
 * Makes the calls of intents and writes down how each settled, and how the end of its channel that stays here did. What is checked at once is what nobody
 * else can know: values, and the items of streams.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { release, RpcError } from 'statewire';
import type { CallOptions, Connection, Session } from 'statewire';
import { nameOf, startCall } from '../../../src/testing/trial/calling.ts';
import type { TrialClient } from '../../../src/testing/trial/calling.ts';
import { expectedValue, Trial } from '../../../src/testing/trial/contract.ts';
import type { Answer, Failure } from '../../../src/testing/trial/contract.ts';
import type { Asking, Intent } from './plan.ts';
import type { Records } from './records.ts';

/** A session with the clients of its standing connections. */
export interface SoakPeer {
  readonly session: Session;
  readonly clients: Readonly<Record<'root' | 'first' | 'second', TrialClient>>;
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
    const client = connection.client(Trial);
    const called = this.#call(client, intent, index);
    if (closesUnder) await sleep(givingUpMs);
    else await called;
    await closeOrRelease(connection, client);
    await called;
  }

  async #call(client: TrialClient, intent: Intent, index: number): Promise<void> {
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
    const watch = {
      breach: (_rule: string, sentence: string) => this.#records.breach(sentence),
      restarted: () => void this.#records.streamRestarts++,
    };
    const { answer, stream } = startCall({ client, options, watch }, intent);
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

/** Closed by hand, or by letting go of it (liveness.last-drop), which closes nothing while a call is pending. */
async function closeOrRelease(connection: Connection, client: TrialClient): Promise<void> {
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
