/**
 * Nothing is left of a test: no live actor, no connection or session that still runs, no entry in a driver's tables, no timer of a simulated clock.
 * Counted where the runtime counts. Told at the top of a test file: `leavesNothing()`.
 */
import { beforeEach, expect } from 'vitest';
import { SimulatedClock } from 'statewire/testing';
import { Driver } from '../../src/driver/driver.ts';
import { ActorHost } from '../../src/machines/actor-host.ts';

/** What the runtime has used since a test began. */
interface Used {
  readonly hosts: Set<ActorHost>;
  readonly drivers: Set<Driver>;
  readonly clocks: Set<SimulatedClock>;
}

const { count } = ActorHost.prototype;
const { receive } = Driver.prototype;
const { setTimeout: setTimer } = SimulatedClock.prototype;

/** Makes everything that is used show itself; gives what stops that. */
function watch(used: Used): () => void {
  ActorHost.prototype.count = function (this: ActorHost): void {
    used.hosts.add(this);
    count.call(this);
  };
  Driver.prototype.receive = function (this: Driver, message: Parameters<typeof receive>[0]): void {
    used.drivers.add(this);
    receive.call(this, message);
  };
  SimulatedClock.prototype.setTimeout = function (this: SimulatedClock, run: () => void, delayMs: number): unknown {
    used.clocks.add(this);
    return setTimer.call(this, run, delayMs);
  };
  return () => {
    ActorHost.prototype.count = count;
    Driver.prototype.receive = receive;
    SimulatedClock.prototype.setTimeout = setTimer;
  };
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);

function left({ hosts, drivers, clocks }: Used): Record<string, unknown> {
  return {
    actors: sum(Array.from(hosts, ({ live }) => live)),
    // The actor of a session or connection that has ended is done.
    running: Array.from(hosts, ({ root }) => root as { id: string; getSnapshot(): { status: string } })
      .filter((root) => root.getSnapshot().status === 'active')
      .map(({ id }) => id),
    inFlight: sum(Array.from(drivers, ({ inbound, outbound }) => inbound.inFlight + outbound.pending + outbound.queued)),
    timers: sum(Array.from(clocks, ({ pending }) => pending)),
  };
}

/** See the top of the file. The test's own resources end first, by `onTestFinished` or `await using`. */
export function leavesNothing(): void {
  beforeEach((test) => {
    const used: Used = { hosts: new Set(), drivers: new Set(), clocks: new Set() };
    const unwatch = watch(used);
    // Registered first, so it comes last: after what the test registers.
    test.onTestFinished(async () => {
      unwatch();
      // What ends with a link ends when the link's other end has heard of it.
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(left(used)).toEqual({ actors: 0, running: [], inFlight: 0, timers: 0 });
    });
  });
}
