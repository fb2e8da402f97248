/**
 * One channel of a call that waits for another one to be answered: so that its end here is bound before the peer has heard of it. The peer is a script, and
 * the link takes as much as the test lets it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { channel, defineService, method } from 'statewire';
import type { Connector, Link, LinkHandler, Rx, Tx } from 'statewire';
import { encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { WatchedClient } from './model-peers.ts';
import { PLACE } from './peers.ts';

/** A batch with one of these leaves at once, so that a full link takes them one by one. */
export const LARGE_ITEM = new Uint8Array(300 * 1024);

const Flow = defineService('Flow', { run: method<unknown, unknown>() });

/** A link that says it is full when it is told to be. */
class Valve {
  isShut = false;
  #handler: LinkHandler | undefined = undefined;

  over(link: Link): Link {
    return {
      facts: link.facts,
      send: (payload) => link.send(payload) && !this.isShut,
      open: (handler) => {
        this.#handler = handler;
        link.open(handler);
      },
      close: () => link.close(),
      abort: (reason) => link.abort(reason),
    };
  }

  /** There is room for the next payload. */
  drain(): void {
    this.#handler?.drain();
  }
}

export class WaitingChannel {
  readonly client: WatchedClient;
  readonly tx: Tx<unknown>;
  readonly rx: Rx<unknown>;
  readonly #valve: Valve;

  constructor(client: WatchedClient, credit: number, valve: Valve) {
    const [tx, rx] = channel<unknown>({ credit });
    this.client = client;
    this.tx = tx;
    this.rx = rx;
    this.#valve = valve;
  }

  /** `stays`: which end the caller keeps. */
  static async make(stays: 'sender' | 'receiver', credit: number): Promise<WaitingChannel> {
    const valve = new Valve();
    const client = new WatchedClient();
    await client.listen();
    const inner = client.world.network.connector(PLACE);
    const connector: Connector = { connect: async (signal, limits) => valve.over(await inner.connect(signal, limits)) };
    const connecting = client.dial({}, connector);
    await client.world.settle();
    client.welcome({ limits: { maxConcurrentRequests: 1, maxPayload: 16 * 1024 * 1024, maxConnections: 16, maxInitialCredit: 1_024 } });
    const session = await connecting;
    const made = new WaitingChannel(client, credit, valve);
    for (const argument of [undefined, { end: stays === 'sender' ? made.rx : made.tx }]) {
      session
        .client(Flow)
        .run(argument)
        .catch(() => {});
    }
    await client.world.settle();
    return made;
  }

  /** The call that carries the channel leaves. */
  open(): void {
    this.say({ type: 'response', connectionId: 0, requestId: 1, ok: true, result: encodeValue(1), metadata: [] });
  }

  say(message: Message): void {
    this.client.peer.send(message);
  }

  /** The link is full with the next payload that it takes. */
  shut(): void {
    this.#valve.isShut = true;
  }

  /** From here on the link is full. */
  async fill(): Promise<void> {
    await nextTurn();
    this.shut();
    // Any message tells: this one's bytes are taken, and no more.
    this.client.session.open({}).catch(() => {});
    await nextTurn();
  }

  /** The full link takes one large item, and is full again. */
  drain(): void {
    this.#valve.drain();
  }
}
