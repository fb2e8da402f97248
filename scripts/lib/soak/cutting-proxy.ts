/**
 * A TCP proxy that lets no link live long. How it ends one, and when, is said by a seed: both ends at once; one end before the other, so that one peer still
 * believes in the link, and may even get bytes of it, when the other one is back on a new one; in the middle of a payload; after a time in which bytes are
 * swallowed. Some links do not live through their handshake. Knows nothing of what it carries.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { SeededRandom } from 'statewire/testing';

const KINDS = ['both', 'dialling side first', 'listening side first', 'within a payload', 'after a silence', 'late bytes'] as const;
const IN_HANDSHAKE = 'in the handshake';
type Kind = (typeof KINDS)[number] | typeof IN_HANDSHAKE;

/** How many links ended, by kind. */
export type Cuts = Record<Kind, number>;

const SHORTEST_LIFE_MS = 50;
const LONGEST_LIFE_MS = 500;
/** Of a link that is to end in its handshake. */
const SHORT_LIFE_MS = 4;
const SHORT_LIVED = 0.1;
const LONGEST_SILENCE_MS = 100;
/** How long the second end of a link may outlive the first one. */
const LONGEST_DIFFERENCE_MS = 100;

export interface CuttingProxy {
  readonly port: number;
  readonly cuts: Cuts;
  /** Cuts no link any more. */
  calm(): void;
  close(): Promise<void>;
}

class Wire {
  readonly #sockets: readonly [Socket, Socket];
  readonly #random: () => number;
  #mode: 'passing' | 'swallowing' | 'tearing' | 'holding' = 'passing';
  readonly #held: Buffer[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();

  /** The socket of the peer that dialled, and ours to the one that listens. */
  constructor(dialled: Socket, onwards: Socket, random: () => number) {
    this.#sockets = [dialled, onwards];
    this.#random = random;
    this.#pass(dialled, onwards);
    this.#pass(onwards, dialled);
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (this.#mode === 'swallowing' || to.destroyed) return;
      if (this.#mode === 'holding') {
        if (from === this.#sockets[0]) this.#held.push(chunk);
        return;
      }
      if (this.#mode === 'tearing') {
        to.end(chunk.subarray(0, Math.floor(chunk.byteLength * this.#random())), () => this.destroy());
        this.#mode = 'swallowing';
        return;
      }
      if (to.write(chunk)) return;
      from.pause();
      to.once('drain', () => from.resume());
    });
    from.on('error', () => {});
    // An end that a peer made itself ends the other one. One that we cut says nothing by itself.
    from.on('end', () => this.#mode === 'passing' && to.end());
    from.on('close', () => from.resume());
  }

  after(delayMs: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, delayMs);
    this.#timers.add(timer);
  }

  cut(kind: Kind): void {
    const [dialled, onwards] = this.#sockets;
    switch (kind) {
      case 'both':
      case IN_HANDSHAKE:
        this.destroy();
        break;
      case 'dialling side first':
        this.#cutApart(dialled);
        break;
      case 'listening side first':
        this.#cutApart(onwards);
        break;
      case 'within a payload':
        this.#mode = 'tearing';
        this.after(LONGEST_SILENCE_MS, () => this.destroy());
        break;
      case 'after a silence':
        this.#mode = 'swallowing';
        this.after(this.#random() * LONGEST_SILENCE_MS, () => this.destroy());
        break;
      case 'late bytes':
        this.#mode = 'holding';
        this.after(this.#random() * LONGEST_SILENCE_MS, () => this.#deliverLate(dialled, onwards));
    }
  }

  /** What the dialling side said last arrives when it has long been back on another link (resume.supersedes). */
  #deliverLate(dialled: Socket, onwards: Socket): void {
    dialled.resetAndDestroy();
    this.after(this.#random() * LONGEST_DIFFERENCE_MS, () => {
      for (const chunk of this.#held.splice(0)) onwards.write(chunk);
      this.after(LONGEST_DIFFERENCE_MS, () => this.destroy());
    });
  }

  #cutApart(first: Socket): void {
    this.#mode = 'swallowing';
    first.resetAndDestroy();
    this.after(this.#random() * LONGEST_DIFFERENCE_MS, () => this.destroy());
  }

  /** An end is told by a reset or, as by a peer that exits in order, by an end. */
  destroy(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#mode = 'swallowing';
    for (const socket of this.#sockets)
      if (this.#random() < 0.5 && !socket.destroyed && !socket.connecting) socket.resetAndDestroy();
      else socket.destroy();
  }

  /** Called once both ends are gone. */
  onGone(tell: () => void): void {
    let open = this.#sockets.length;
    for (const socket of this.#sockets)
      socket.once('close', () => {
        if (--open > 0) return;
        for (const timer of this.#timers) clearTimeout(timer);
        tell();
      });
  }

  stopCutting(): void {
    if (this.#mode !== 'passing') return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** Listens on a free port and passes what comes to `targetPort`, both on 127.0.0.1. */
export async function cuttingProxy(targetPort: number, seed: number): Promise<CuttingProxy> {
  const dice = new SeededRandom(seed);
  const random = () => dice.number();
  const cuts = Object.fromEntries([...KINDS, IN_HANDSHAKE].map((kind) => [kind, 0])) as Cuts;
  const wires = new Set<Wire>();
  let isCalm = false;
  const endLater = (wire: Wire): void => {
    const isShort = random() < SHORT_LIVED;
    const kind = isShort ? IN_HANDSHAKE : (KINDS[Math.floor(random() * KINDS.length)] ?? 'both');
    const lifeMs = isShort ? random() * SHORT_LIFE_MS : SHORTEST_LIFE_MS + random() * (LONGEST_LIFE_MS - SHORTEST_LIFE_MS);
    wire.after(lifeMs, () => {
      cuts[kind]++;
      wire.cut(kind);
    });
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const onwards = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const wire = new Wire(socket, onwards, random);
    wires.add(wire);
    wire.onGone(() => wires.delete(wire));
    if (!isCalm) endLater(wire);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cuts,
    calm() {
      isCalm = true;
      for (const wire of wires) wire.stopCutting();
    },
    close: () => closed(server, wires),
  };
}

async function closed(server: Server, wires: ReadonlySet<Wire>): Promise<void> {
  for (const wire of wires) wire.destroy();
  await new Promise((resolve) => server.close(resolve));
}
