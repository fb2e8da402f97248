/**
 * Two peers that open virtual connections with each other, either of them: what peers.ts is for calls, this is for connections. Each open is taken on
 * the terms that the test gives for it. Also what a scripted peer (hostile-peer.ts) says of connections.
 */
import { defineService, implement, method } from 'statewire';
import type { Connection, ConnectionRequest, ConnectionTerms, OpenOptions, Rx, ServiceImplementation, Session, Tx } from 'statewire';
import { encodeValue, methodId } from 'statewire/wire';
import type { AcceptMessage, CallMessage, Message, OpenMessage, ResponseMessage } from 'statewire/wire';
import { connectPeers, deferred, lab } from './peers.ts';
import type { Deferred, Peers, PeersOptions } from './peers.ts';

export type Side = 'initiator' | 'acceptor';
export const SIDES: readonly Side[] = ['initiator', 'acceptor'];

export function otherSide(side: Side): Side {
  return side === 'initiator' ? 'acceptor' : 'initiator';
}

/** One virtual connection, by its two ends. */
export interface ConnectionEnds {
  /** Of the side that opened it. */
  readonly opened: Connection;
  /** Of the side that accepted it. */
  readonly taken: Connection;
}

export interface ConnectionPeers extends Peers {
  sessionOf(side: Side): Session;
  /** What either side was asked for, in order. */
  readonly requests: Readonly<Record<Side, ConnectionRequest[]>>;
  /** Opens one from that side; the peer takes it on these terms, by default with an echoing `Lab`. */
  open(by: Side, options?: OpenOptions, terms?: ConnectionTerms): Promise<ConnectionEnds>;
}

/** Both peers, connected; both take every connection, where `onConnection` is not given. */
export async function connectionPeers(options: PeersOptions = {}): Promise<ConnectionPeers> {
  const requests: Record<Side, ConnectionRequest[]> = { initiator: [], acceptor: [] };
  const terms: Record<Side, ConnectionTerms[]> = { initiator: [], acceptor: [] };
  const taken: Record<Side, Connection[]> = { initiator: [], acceptor: [] };
  const take = (side: Side) => (request: ConnectionRequest) => {
    requests[side].push(request);
    taken[side].push(request.accept(terms[side].shift() ?? {}));
  };
  const peers = await connectPeers({
    ...options,
    server: { onConnection: take('acceptor'), ...options.server },
    client: { onConnection: take('initiator'), ...options.client },
  });
  const sessionOf = (side: Side): Session => (side === 'initiator' ? peers.session : peers.accepted);
  const open: ConnectionPeers['open'] = async (by, openOptions = {}, itsTerms = { services: [lab()] }) => {
    const side = otherSide(by);
    terms[side].push(itsTerms);
    const opened = await sessionOf(by).open(openOptions);
    return { opened, taken: taken[side].at(-1) as Connection };
  };
  return { ...peers, sessionOf, requests, open };
}

/** Streams of both directions, whose handlers are in the test's hand. */
export const Flow = defineService('Flow', {
  /** The handler receives. */
  take: method<{ items: Rx<unknown> }, unknown>(),
  /** The handler sends. */
  give: method<{ items: Tx<unknown> }, unknown>(),
});

export interface Flowing {
  readonly service: ServiceImplementation;
  /** The ends that the handlers were given, in order, and what lets each of them return. */
  readonly taking: { items: Rx<unknown>; gate: Deferred<unknown>; signal: AbortSignal }[];
  readonly giving: { items: Tx<unknown>; gate: Deferred<unknown>; signal: AbortSignal }[];
}

/** `Flow`, whose handlers do nothing with their ends and stay until told. */
export function flowing(): Flowing {
  const taking: Flowing['taking'] = [];
  const giving: Flowing['giving'] = [];
  const service = implement(Flow, {
    take: ({ items }, { signal }) => {
      const gate = deferred<unknown>();
      taking.push({ items, gate, signal });
      return gate.promise;
    },
    give: ({ items }, { signal }) => {
      const gate = deferred<unknown>();
      giving.push({ items, gate, signal });
      return gate.promise;
    },
  });
  return { service, taking, giving };
}

/** An open that is in order, but for what is given. */
export function openMessage(connectionId: number, change: Partial<OpenMessage> = {}): OpenMessage {
  return { type: 'open', connectionId, parity: 'odd', limits: { maxConcurrentRequests: 256 }, metadata: [], ...change };
}

export function acceptMessage(connectionId: number, maxConcurrentRequests = 256): AcceptMessage {
  return { type: 'accept', connectionId, limits: { maxConcurrentRequests } };
}

/** A call of `Lab.run` on a connection, with a string operation id of its own. */
export function callOn(connectionId: number, requestId: number, change: Partial<CallMessage> = {}): CallMessage {
  return {
    type: 'call',
    connectionId,
    requestId,
    methodId: methodId('Lab', 'run'),
    operationId: `${connectionId}:${requestId}`,
    channels: [],
    metadata: [],
    args: encodeValue('x'),
    ...change,
  };
}

export function resultOn(connectionId: number, requestId: number, value?: unknown): ResponseMessage {
  return { type: 'response', connectionId, requestId, ok: true, result: encodeValue(value), metadata: [] };
}

/** Every kind of message that belongs to a connection, said of one. `parity` is that of the request and channel ids in it. */
export function everythingOn(connectionId: number, parity: 'odd' | 'even' = 'odd'): Message[] {
  const id = parity === 'odd' ? 101 : 102;
  return [
    callOn(connectionId, id),
    resultOn(connectionId, id),
    { type: 'cancel', connectionId, requestId: id },
    { type: 'item', connectionId, channelId: id, value: encodeValue(1) },
    { type: 'items', connectionId, channelId: id, values: [encodeValue(1), encodeValue(2)] },
    { type: 'end', connectionId, channelId: id },
    { type: 'reset', connectionId, channelId: id, reason: 'none' },
    { type: 'grant', connectionId, channelId: id, credit: 1 },
  ];
}

/** Everybody garbage collection can take is taken, as far as so many rounds bring it; earlier if `isOver`. */
export async function collectGarbage(isOver: () => boolean = () => false, rounds = 100): Promise<void> {
  if (global.gc === undefined) throw new Error('run with --expose-gc');
  for (let round = 0; round < rounds && !isOver(); round++) {
    global.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
