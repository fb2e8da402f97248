/**
 * What every test of channels must leave behind: nothing. Watches the actor hosts and drivers that do something during a test, and after it asks them
 * twice: while the sessions are still open, and once these have ended.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import { Channels } from '../../src/driver/channels.ts';
import { Driver } from '../../src/driver/driver.ts';
import { ActorHost } from '../../src/machines/actor-host.ts';

/** What the drivers of a test hold for its channels. */
export interface ChannelTables {
  /** Channels with a live sender or receiver. */
  readonly live: number;
  /** Who waits for credit, an item or room. */
  readonly waiting: number;
  /** Channels for which something came before the call that carries them. */
  readonly early: number;
}

const NOTHING: ChannelTables = { live: 0, waiting: 0, early: 0 };
/** Turns of the event loop within which what is over must be gone: real sockets need some. */
const PATIENCE_TURNS = 500;

const hosts = new Set<ActorHost>();
const tables = new Set<ChannelTables>();
const tidyings = new Set<() => void | Promise<void>>();

/** What the drivers of this test hold now, all together. */
export function channelTables(): ChannelTables {
  const sum: { -readonly [K in keyof ChannelTables]: number } = { ...NOTHING };
  for (const { live, waiting, early } of tables) {
    sum.live += live;
    sum.waiting += waiting;
    sum.early += early;
  }
  return sum;
}

/** The most actors that one session has. One is its driver. */
const mostActors = (): number => Math.max(0, ...[...hosts].map(({ live }) => live));

/** Turns of the event loop until something holds, or for so many turns. */
export async function patiently(holds: () => boolean, turns = PATIENCE_TURNS): Promise<void> {
  for (let turn = 0; turn < turns && !holds(); turn++) await nextTurn();
}

/** Waits until no channel is left, and fails when one stays. */
export async function expectNoChannels(): Promise<void> {
  await patiently(() => Object.values(channelTables()).every((count) => count === 0));
  expect(channelTables()).toEqual(NOTHING);
}

/** Runs before the tables are looked at while the sessions are open: ends what a test keeps open by intention. */
export function tidyAfterwards(tidy: () => void | Promise<void>): void {
  tidyings.add(tidy);
}

/** Call it once in a file of tests. */
export function leavesNothing(): void {
  const { count } = ActorHost.prototype;
  const { receive, stop } = Driver.prototype;
  const { add } = Channels.prototype;

  beforeEach(({ onTestFinished }) => {
    ActorHost.prototype.count = function (this: ActorHost): void {
      hosts.add(this);
      count.call(this);
    };
    Driver.prototype.receive = function (this: Driver, ...given: Parameters<typeof receive>): void {
      tables.add(this.channels);
      receive.apply(this, given);
    };
    Driver.prototype.stop = function (this: Driver, ...given: Parameters<typeof stop>): void {
      tables.add(this.channels);
      stop.apply(this, given);
    };
    Channels.prototype.add = function (this: Channels, ...given: Parameters<typeof add>): void {
      tables.add(this);
      add.apply(this, given);
    };
    // The first to be asked for is the last to run: the test's own servers and sessions have ended by then.
    onTestFinished(async () => {
      await patiently(() => mostActors() === 0);
      const left = { actors: mostActors(), ...channelTables() };
      ActorHost.prototype.count = count;
      Driver.prototype.receive = receive;
      Driver.prototype.stop = stop;
      Channels.prototype.add = add;
      hosts.clear();
      tables.clear();
      expect(left, 'after the sessions ended').toEqual({ actors: 0, ...NOTHING });
    });
  });

  afterEach(async () => {
    const tidy = [...tidyings];
    tidyings.clear();
    for (const end of tidy) await end();
    await patiently(() => mostActors() <= 1);
    await expectNoChannels();
    expect(mostActors(), 'actors of a session that is still open').toBeLessThanOrEqual(1);
  });
}
