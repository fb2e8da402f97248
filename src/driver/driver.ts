/**
 * The supervisor of one connection: each message is an event of its statechart, whose actions hand it to the one actor it is
 * for. It never waits for a handler (attempt.pipelined).
 */
import { driverMachine } from '../machines/driver.ts';
import type { DriverEvent } from '../machines/driver.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { conceal } from '../metadata.ts';
import type { CallMessage, CancelMessage, ResponseMessage } from '../wire/index.ts';
import type { DriverHost } from './host.ts';
import { Inbound } from './inbound.ts';
import { Outbound } from './outbound.ts';

const drivers = defineActor<Driver>()({
  machine: driverMachine,
  name: 'driver',
  actions: {
    serve: (driver, { event }) => driver.inbound.serve(event as CallMessage),
    settle: (driver, { event }) => driver.outbound.response(event as ResponseMessage),
    cancel: (driver, { event }) => driver.inbound.cancel(event as CancelMessage),
    endAttempts: (driver, { event }) => driver.endAttempts(event as StopEvent),
  },
});

type StopEvent = Extract<DriverEvent, { type: 'stop' }>;

export class Driver {
  readonly actor: LiveActor<typeof driverMachine>;
  readonly inbound: Inbound;
  readonly outbound: Outbound;

  constructor(host: DriverHost) {
    this.actor = drivers.spawn(host.actors, { key: host.connectionId, input: undefined, owner: this });
    this.inbound = new Inbound(host, this.actor);
    this.outbound = new Outbound(host, this.actor);
  }

  /** Takes a message of this connection. As an event it may be seen by inspectors: what is sensitive is concealed first. */
  receive(message: CallMessage | ResponseMessage | CancelMessage): void {
    if (message.type === 'cancel' || message.metadata.length === 0) this.actor.send(message);
    else this.actor.send(concealed(message));
  }

  /** Nothing is in flight either way. */
  get idle(): boolean {
    return this.inbound.inFlight === 0 && this.outbound.pending === 0;
  }

  stop(kind: StopEvent['kind'], reason: string): void {
    const event: StopEvent = { type: 'stop', kind, reason };
    this.actor.send(event);
  }

  endAttempts({ kind, reason }: StopEvent): void {
    this.inbound.end();
    this.outbound.end({ type: 'ended', kind, reason });
  }
}

function concealed(message: CallMessage | ResponseMessage): CallMessage | ResponseMessage {
  return { ...message, metadata: conceal(message.metadata) };
}
