/**
 * Two joined connections (conn.proxy): what comes on one goes out on the other with all its ids, its arguments, results and items undecoded. Of the envelope
 * only the connection's id changes, metadata that is not to be propagated is dropped (meta.no-propagate), and a call is given the series of its first caller.
 *
 * The peers do not know of each other: what one of them breaks must not be laid at our door by the other. So what may be in flight is counted here too, and a
 * rule broken by one peer ends the session with that peer.
 */
import type { DriverMessage } from '../driver/driver.ts';
import type { ChannelMessage } from '../driver/channels.ts';
import { failure, unsendable } from '../driver/outcome.ts';
import type { Outcome } from '../driver/outcome.ts';
import { findEndMarks, MessageTooLargeError, NO_PROPAGATE } from '../wire/index.ts';
import type { CallMessage, CancelMessage, Metadata, ResponseMessage } from '../wire/index.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { ConnectionHost } from './connection-host.ts';

/** What both directions know of. */
interface Joint {
  /** Channels that a call has announced and nothing has ended, with the direction in which their items go. */
  readonly channels: Map<number, Relay>;
}

/**
 * Bytes of items that may wait in one direction for a link that is full. A sender with credit is not held back by a link that it does not see: beyond
 * this its channel is reset.
 */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Stands in a message for the connection's id, which `#send` knows. */
const SOME = 0;

interface BrokenRule {
  readonly rule: string;
  readonly message: string;
}

/** One direction: what comes on `from` goes to `to`. */
export class Relay {
  readonly #from: ConnectionCore;
  readonly #to: ConnectionCore;
  readonly #joint: Joint;
  /** Requests of `from`'s peer that `to`'s peer has yet to answer. */
  readonly #requests = new Set<number>();
  /** The highest channel id that `from`'s peer has used: it allocates them in order (id.unique). */
  #highestChannel = 0;
  /** Bytes of items passed on since the other link is full. */
  #waitingBytes = 0;
  #back: Relay | undefined = undefined;

  private constructor(from: ConnectionCore, to: ConnectionCore, joint: Joint) {
    this.#from = from;
    this.#to = to;
    this.#joint = joint;
  }

  /** Joins two connections that fit (`whyNotJoined`). */
  static join(one: ConnectionCore, other: ConnectionCore): void {
    const joint: Joint = { channels: new Map() };
    const there = new Relay(one, other, joint);
    const back = new Relay(other, one, joint);
    there.#back = back;
    back.#back = there;
    one.join(there);
    other.join(back);
  }

  get idle(): boolean {
    return this.#requests.size === 0 && (this.#back === undefined || this.#back.#requests.size === 0);
  }

  /** The connection that what comes on this one goes out on. */
  get target(): ConnectionCore {
    return this.#to;
  }

  /** `from` is over: so is `to`, with its reason. The root cannot be closed alone. */
  ended(reason: string): void {
    if (this.#to.connectionId === 0) void this.#to.core.close(0);
    else this.#to.close(reason);
  }

  forward(message: DriverMessage): void {
    switch (message.type) {
      case 'call':
        this.#call(message);
        return;
      case 'response':
        this.#response(message);
        return;
      case 'cancel':
        this.#cancel(message);
        return;
      case 'item':
      case 'items':
      case 'end':
      case 'reset':
      case 'grant':
        this.#channel(message);
    }
  }

  get #fromHost(): ConnectionHost {
    return this.#from.host as ConnectionHost;
  }

  #send(message: DriverMessage): void {
    this.#to.core.outbox.send({ ...message, connectionId: this.#to.connectionId });
  }

  #sendBack(message: DriverMessage): void {
    this.#from.core.outbox.send({ ...message, connectionId: this.#from.connectionId });
  }

  // ---- calls

  #call(message: CallMessage): void {
    const host = this.#fromHost;
    const broken = this.#brokenRule(message) ?? this.#announce(message);
    if (broken !== undefined) {
      host.protocolError(broken.rule, broken.message);
      return;
    }
    const { requestId, operationId } = message;
    if (message.ack !== undefined) {
      host.acknowledged(message.ack);
      this.acknowledge(host.peerSeries.id, message.ack);
    }
    this.#requests.add(requestId);
    const series = message.series ?? (typeof operationId === 'number' ? host.peerSeries.id : undefined);
    this.#sendOr({ ...message, series, ack: undefined, metadata: propagated(message.metadata) }, () => this.#refuse(message));
  }

  #isOurs(id: number): boolean {
    return (id % 2 === 1) === this.#fromHost.oddIds;
  }

  #brokenRule({ requestId, operationId }: CallMessage): BrokenRule | undefined {
    const host = this.#fromHost;
    if (this.#isOurs(requestId)) return { rule: 'id.violation', message: `request id ${requestId} has our parity, not yours` };
    if (this.#requests.has(requestId)) return { rule: 'id.violation', message: `request id ${requestId} is in flight already` };
    const { maxConcurrentRequests } = host;
    const inFlight = this.#requests.size + host.outlet.heldResponses(host.connectionId);
    if (inFlight >= maxConcurrentRequests) return { rule: 'attempt.limit-in', message: `more than ${maxConcurrentRequests} requests in flight` };
    if ((operationId !== undefined) !== host.retry)
      return { rule: 'op.id', message: 'a call with an operation id where there are none, or without one' };
    return undefined;
  }

  /** Notes a call's channels. Their marks are looked at, nothing is decoded. */
  #announce({ channels, args }: CallMessage): BrokenRule | undefined {
    if (channels.length === 0) return undefined;
    const cap = this.#to.host?.peerMaxInitialCredit ?? 0;
    // Malformed: the peer behind us says so, and knows none of its channels.
    const marks = findEndMarks(args, channels.length);
    for (const [place, id] of channels.entries()) {
      if (this.#isOurs(id) || id <= this.#highestChannel)
        return { rule: 'id.violation', message: `channel id ${id} is not yours, or was used before` };
      this.#highestChannel = id;
      const mark = marks?.get(place);
      if (mark === undefined) continue;
      if (mark.travels === 'receiver' && mark.credit > cap)
        return { rule: 'credit.cap', message: `channel ${id} begins with a credit of ${mark.credit}, above ${cap}` };
      this.#joint.channels.set(id, mark.travels === 'receiver' ? this : (this.#back ?? this));
    }
    return undefined;
  }

  /** The peer behind us does not take as much. It did not run. */
  #refuse({ requestId, channels }: CallMessage): void {
    this.#requests.delete(requestId);
    const refused = failure('invalid-payload', 'too-large', 'the call is above the maxPayload of the peer behind this proxy');
    this.#sendBack(responseOf(requestId, refused));
    for (const channelId of channels) {
      this.#joint.channels.delete(channelId);
      this.#sendBack({ type: 'reset', connectionId: SOME, channelId, reason: 'too-large' });
    }
  }

  #response(message: ResponseMessage): void {
    const { requestId } = message;
    const asked = this.#back;
    if (asked === undefined || !asked.#requests.delete(requestId)) {
      this.#fromHost.counters.unmatched++;
      return;
    }
    this.#sendOr({ ...message, metadata: propagated(message.metadata) }, () => this.#send(responseOf(requestId, unsendable(message))));
    // Sessions that drain wait for it.
    this.#from.core.settled();
    this.#to.core.settled();
  }

  #cancel(message: CancelMessage): void {
    if (message.requestId !== undefined && this.#requests.has(message.requestId)) this.#send(message);
    else this.#fromHost.counters.unmatched++;
  }

  /** op.ack: what a first caller says is settled is forgotten behind us too. */
  acknowledge(series: string, upTo: number): void {
    this.#to.core.outbox.send({ type: 'ack', series, upTo });
  }

  // ---- channels

  #channel(message: ChannelMessage): void {
    const { channelId } = message;
    const { channels } = this.#joint;
    const direction = channels.get(channelId);
    if (direction === undefined) {
      this.#countLate(message);
      return;
    }
    if (message.type !== 'reset' && (direction === this) === (message.type === 'grant')) {
      const rule = message.type === 'grant' ? 'credit.grant' : 'channel.order';
      this.#fromHost.protocolError(rule, `${message.type} for channel ${channelId}, from the wrong end of it`);
      return;
    }
    if (this.#isTooMuch(message)) {
      this.#resetBoth(channelId, 'overflow');
      return;
    }
    if (message.type === 'end' || message.type === 'reset') channels.delete(channelId);
    this.#sendOr(message, () => this.#resetBoth(channelId, 'too-large'));
  }

  /** Counts what waits for the other link (link.backpressure). */
  #isTooMuch(message: ChannelMessage): boolean {
    if (this.#to.core.outbox.ready) {
      this.#waitingBytes = 0;
      return false;
    }
    if (message.type === 'item') this.#waitingBytes += message.value.byteLength;
    else if (message.type === 'items') for (const { byteLength } of message.values) this.#waitingBytes += byteLength;
    return this.#waitingBytes > MAX_WAITING_BYTES;
  }

  #resetBoth(channelId: number, reason: string): void {
    this.#joint.channels.delete(channelId);
    this.#send({ type: 'reset', connectionId: SOME, channelId, reason });
    this.#sendBack({ type: 'reset', connectionId: SOME, channelId, reason });
  }

  #countLate(message: ChannelMessage): void {
    const { counters } = this.#fromHost;
    if (message.type === 'item') counters.lateItems++;
    else if (message.type === 'items') counters.lateItems += message.values.length;
    else counters.lateSignals++;
  }

  #sendOr(message: DriverMessage, otherwise: () => void): void {
    try {
      this.#send(message);
    } catch (error) {
      if (!(error instanceof MessageTooLargeError)) throw error;
      otherwise();
    }
  }
}

function propagated(metadata: Metadata): Metadata {
  return metadata.some(([, , flags]) => (flags & NO_PROPAGATE) !== 0) ? metadata.filter(([, , flags]) => (flags & NO_PROPAGATE) === 0) : metadata;
}

function responseOf(requestId: number, outcome: Outcome): ResponseMessage {
  const head = { type: 'response', connectionId: SOME, requestId, metadata: [] } as const;
  return outcome.ok ? { ...head, ok: true, result: outcome.result } : { ...head, ok: false, error: outcome.error };
}

/** Why two connections cannot be joined; undefined: they can. */
export function whyNotJoined(one: ConnectionCore, other: ConnectionCore): string | undefined {
  if (one === other) return 'a connection cannot be joined to itself';
  for (const connection of [one, other]) {
    if (connection.relay !== undefined) return `connection ${connection.connectionId} is joined already`;
    if (!connection.isOpen || connection.core.isClosing) return `connection ${connection.connectionId} is not open`;
    if (!connection.isUnused) return `connection ${connection.connectionId} has carried something already`;
  }
  if (one.oddIds === other.oddIds) return 'our ids have the same parity on both: open one of them with the other parity';
  if (one.host?.retry !== other.host?.retry) return 'one of their sessions has operation ids and the other one has none (retry)';
  return whyTooNarrow(one, other) ?? whyTooNarrow(other, one);
}

/** What `one`'s peer was told it may do must be what `other`'s peer takes. */
function whyTooNarrow(one: ConnectionCore, other: ConnectionCore): string | undefined {
  const told = one.host;
  const taken = other.host;
  if (told === undefined || taken === undefined) return 'not open';
  if (told.maxConcurrentRequests > taken.peerMaxConcurrentRequests)
    return `the peer of connection ${one.connectionId} may have ${told.maxConcurrentRequests} requests in flight, and that of ${other.connectionId} takes ${taken.peerMaxConcurrentRequests}: give the first maxConcurrentRequests: ${taken.peerMaxConcurrentRequests}`;
  const { maxInitialCredit } = told.endpoint.options;
  if (maxInitialCredit > taken.peerMaxInitialCredit)
    return `the peer of connection ${one.connectionId} may begin channels with a credit of ${maxInitialCredit}, and that of ${other.connectionId} takes ${taken.peerMaxInitialCredit} (maxInitialCredit)`;
  return undefined;
}
