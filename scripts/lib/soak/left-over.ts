/** What a process still holds, counted where the runtime counts: to be nothing once all calls are over, and nothing at all once the sessions have ended. */
import { Driver } from '../../../src/driver/driver.ts';
import { tableOf } from '../../../src/driver/operation-table.ts';
import { ActorHost } from '../../../src/machines/actor-host.ts';
import type { OperationStore } from 'statewire';

export interface LeftOver {
  /** Calls in either direction, channels, and who waits for them. */
  readonly inFlight: number;
  readonly channels: number;
  readonly operations: number;
  /** Light actors, and sessions and connections that still run. */
  readonly actors: number;
  readonly running: number;
  readonly sockets: number;
  readonly timers: number;
}

const hosts = new Set<ActorHost>();
const drivers = new Set<Driver>();

/** Makes every actor host and driver of the process show itself, from now on. */
export function watchRuntime(): void {
  const { count } = ActorHost.prototype;
  const { receive } = Driver.prototype;
  ActorHost.prototype.count = function (this: ActorHost): void {
    hosts.add(this);
    count.call(this);
  };
  Driver.prototype.receive = function (this: Driver, message: Parameters<typeof receive>[0]): void {
    drivers.add(this);
    receive.call(this, message);
  };
}

/** Forgets those that hold nothing, so that watching holds nothing itself. */
export function forgetEnded(): void {
  for (const driver of drivers) if (driver.actor.done) drivers.delete(driver);
  for (const host of hosts) if (host.live === 0 && !isRunning(host)) hosts.delete(host);
}

const isRunning = ({ root }: ActorHost): boolean => (root.getSnapshot() as { status: string }).status === 'active';

export function leftOver(store: OperationStore): LeftOver {
  let inFlight = 0;
  let channels = 0;
  let actors = 0;
  let running = 0;
  for (const driver of drivers) {
    inFlight += driver.inbound.inFlight + driver.outbound.pending + driver.outbound.queued;
    channels += driver.channels.live + driver.channels.early + driver.channels.waiting;
  }
  for (const host of hosts) {
    actors += host.live;
    if (isRunning(host)) running++;
  }
  const resources = process.getActiveResourcesInfo();
  const count = (...kinds: readonly string[]): number => resources.filter((kind) => kinds.includes(kind)).length;
  return {
    inFlight,
    channels,
    operations: tableOf(store).live,
    actors,
    running,
    sockets: count('TCPSocketWrap', 'TCPServerWrap', 'TCPConnectWrap'),
    timers: count('Timeout'),
  };
}
