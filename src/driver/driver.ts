/**
 * The supervisor of one connection: each message is an event of its statechart, whose actions hand it to the one actor it is
 * for. It never waits for a handler (attempt.pipelined).
 */
import { driverMachine } from '../machines/driver.ts';
import type { DriverEvent } from '../machines/driver.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { conceal } from '../metadata.ts';
import type {
  CallMessage,
  CancelMessage,
  EndMessage,
  GrantMessage,
  ItemMessage,
  ItemsMessage,
  ResetMessage,
  ResponseMessage,
} from '../wire/index.ts';
import { Channels } from './channels.ts';
import type { ChannelMessage } from './channels.ts';
import type { DriverHost } from './host.ts';
import { Inbound } from './inbound.ts';
import type { Judgement } from './judgement.ts';
import { Outbound } from './outbound.ts';

const drivers = defineActor<Driver>()({
  machine: driverMachine,
  name: 'driver',
  actions: {
    serve: (driver, { event }) => driver.inbound.serve(event as CallMessage),
    settle: (driver, { event }) => driver.outbound.response(event as ResponseMessage),
    cancel: (driver, { event }) => driver.inbound.cancel(event as CancelMessage),
    receive: (driver, { event }) => driver.channels.items(event as ItemMessage | ItemsMessage),
    endChannel: (driver, { event }) => driver.channels.end(event as EndMessage),
    resetChannel: (driver, { event }) => driver.channels.reset(event as ResetMessage),
    addCredit: (driver, { event }) => driver.channels.grant(event as GrantMessage),
    loseLink: (driver) => driver.loseLink(),
    sayGivenUp: (driver) => driver.outbound.sayGivenUp(),
    startOver: (driver) => driver.startOver(),
    sendAgain: (driver, { event }) => driver.outbound.sendAgain((event as ResendEvent).judgement as Judgement),
    endAll: (driver, { event }) => driver.endAll(event as StopEvent),
  },
});

const LINK_LOST = { type: 'linkLost' } as const;
const LINK_UP = { type: 'linkUp' } as const;
const RESTARTED = { type: 'restarted' } as const;

export type StopEvent = Extract<DriverEvent, { type: 'stop' }>;
type ResendEvent = Extract<DriverEvent, { type: 'resend' }>;
/** The messages of a connection. */
export type DriverMessage = CallMessage | ResponseMessage | CancelMessage | ChannelMessage;

export class Driver {
  readonly actor: LiveActor<typeof driverMachine>;
  readonly channels: Channels;
  readonly inbound: Inbound;
  readonly outbound: Outbound;

  constructor(host: DriverHost) {
    this.actor = drivers.spawn(host.actors, { key: host.connectionId, input: undefined, owner: this });
    this.channels = new Channels(host, this.actor);
    this.inbound = new Inbound(host, this.channels, this.actor);
    this.outbound = new Outbound(host, this.channels, this.actor);
  }

  /** Takes a message of this connection. As an event it may be seen by inspectors: what is sensitive is concealed first. */
  receive(message: DriverMessage): void {
    if ('metadata' in message && message.metadata.length > 0) this.actor.send(concealed(message));
    else this.actor.send(message);
  }

  /** The link is lost, and there may be another one (session.outlives-link). */
  linkLost(): void {
    this.actor.send(LINK_LOST);
  }

  /** There is a new link: says what was given up. `restarted`: the peer has begun anew. */
  linkUp(restarted: boolean): void {
    this.actor.send(restarted ? RESTARTED : LINK_UP);
  }

  /** Every connection has said what it has given up: calls may go again. */
  resend(judgement: Judgement): void {
    this.actor.send({ type: 'resend', judgement });
  }

  /** No call is in flight either way. */
  get idle(): boolean {
    return this.inbound.inFlight === 0 && this.outbound.pending === 0;
  }

  /** Channels first, then whoever used them (resume.order). */
  loseLink(): void {
    this.outbound.interruptEnds();
    this.channels.loseOpened({ kind: 'connection-closed', reason: 'link-lost' });
    this.inbound.linkLost();
    this.outbound.linkLost();
  }

  /** The peer knows nothing of before: its calls are over, and its ids begin again (resume.unknown). */
  startOver(): void {
    this.inbound.end();
    this.channels.startOver();
    this.outbound.startOver();
  }

  /** `loss`: what the channels' holders are told besides (`link-lost`, `closed`). */
  stop(end: Omit<StopEvent, 'type'>): void {
    this.actor.send({ type: 'stop', ...end });
  }

  /** Channels first: what handlers and callers do when they hear of the end finds them gone. */
  endAll({ kind, reason, loss }: StopEvent): void {
    this.channels.lose({ kind: kind === 'protocol-error' ? kind : 'connection-closed', reason: loss });
    this.inbound.end();
    this.outbound.end({ type: 'ended', kind, reason });
  }
}

function concealed(message: CallMessage | ResponseMessage): CallMessage | ResponseMessage {
  return { ...message, metadata: conceal(message.metadata) };
}
