/** The receiving end of a channel, led along its model's paths in a real session: the peer sends, ends and resets, the user reads, grants and stops. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { transition } from 'xstate';
import { encodeValue } from 'statewire/wire';
import type { ReceiverEvent } from '../../src/machines/receiver.ts';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { WaitingChannel } from '../support/model-channels.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';

const model = machineModels.receiver;
type Model = typeof model.machine;
type Path = MachinePath<Model>;

const CHANNEL = { connectionId: 0, channelId: 1 } as const;

const itemEvent = (count: number): ReceiverEvent => ({ type: 'items', count, values: [] });

/**
 * What the chart leaves to the driver: an item has come before it is read, and unread ones before an end that leaves some; who waits for an item reads the
 * first that comes; what is read after the end is over with the last one.
 */
function complete({ start, steps }: Path): ReceiverEvent[] {
  const events: ReceiverEvent[] = [];
  let snapshot = start;
  let unread = 0;
  let waiting = 0;
  const push = (event: ReceiverEvent): void => {
    const isOpen = snapshot.value === 'open';
    [snapshot] = transition(model.machine, snapshot, event);
    events.push(event);
    if (event.type === 'asked') waiting++;
    if (event.type === 'consumed') unread--;
    if (event.type !== 'items' || !isOpen || snapshot.value !== 'open') return;
    unread += event.count;
    for (; waiting > 0 && unread > 0; waiting--) push({ type: 'consumed' });
    // Those who wait on ask once more.
    if (waiting > 0) {
      waiting--;
      push({ type: 'asked' });
    }
  };
  const receive = (count: number): void => {
    while (snapshot.context.credit < count) push({ type: 'grant', credit: 5 });
    push(itemEvent(count));
  };
  for (const { event } of steps) {
    const isOpen = snapshot.value === 'open';
    if (isOpen && event.type === 'consumed' && unread === 0) receive(waiting + 1);
    if (isOpen && event.type === 'end' && event.unread > unread) receive(event.unread - unread + waiting);
    push(event);
  }
  return events;
}

class ReceiverScene implements Scene<Model> {
  readonly channel: WaitingChannel;

  constructor(channel: WaitingChannel) {
    this.channel = channel;
  }

  static async stage({ input }: Path): Promise<ReceiverScene> {
    return new ReceiverScene(await WaitingChannel.make('receiver', input.initial));
  }

  get trace() {
    return this.channel.client.witness.find('receiver')!;
  }

  act({ event }: Moment<Model>): void | Promise<void> {
    const { channel } = this;
    switch (event.type) {
      case 'opened':
        return channel.open();
      case 'items':
        return channel.say({ type: 'items', ...CHANNEL, values: Array.from({ length: event.count }, () => encodeValue('item')) });
      case 'consumed':
      case 'asked':
        return this.#read();
      case 'drained':
        while (channel.rx.status === 'draining') this.#read();
        return undefined;
      case 'grant':
        return channel.rx.grant(event.credit);
      case 'end':
        return channel.say({ type: 'end', ...CHANNEL });
      case 'reset':
        return channel.rx.reset(event.reason);
      case 'peerReset':
        return channel.say({ type: 'reset', ...CHANNEL, reason: undefined });
      case 'lost':
        void channel.client.session.close();
        return undefined;
    }
  }

  #read(): void {
    this.channel.rx.recv().catch(() => {});
  }

  /** What the tap saw granted is what the chart says it has granted; and one reset at most. */
  async after(path: Path): Promise<void> {
    await nextTurn();
    const { client } = this.channel;
    if (client.session.status === 'closed') return;
    const granted = client.sent('grant').reduce((sum, { credit }) => sum + credit, 0);
    const received = path.steps.reduce(
      (sum, { event, snapshot }) => sum + (event.type === 'items' && snapshot.value === 'open' ? event.count : 0),
      0,
    );
    const { context, value } = endOf(path) as { context: { initial: number; credit: number }; value: unknown };
    expect(granted).toBe(context.credit - context.initial + received);
    expect(client.sent('reset').length).toBeLessThanOrEqual(value === 'reset' ? 1 : 0);
  }
}

const unreadBefore = ({ path, index }: Moment<Model>): number => {
  let unread = 0;
  for (const { event, snapshot } of path.steps.slice(0, index)) {
    if (event.type === 'items' && snapshot.value === 'open') unread += event.count;
    if (event.type === 'consumed') unread--;
  }
  return unread;
};

const plan: Plan<Model> = {
  model,
  complete,
  says: ({ type, count, credit, unread }) => [count, credit, type === 'end' && Number(unread) > 0],
  impossible: [
    { why: 'who asks for an item while there is one gets it', cuts: 10, when: (moment) => moment.event.type === 'asked' && unreadBefore(moment) > 0 },
    {
      why: 'an end leaves unread what was not read',
      cuts: 10,
      when: (moment) => moment.event.type === 'end' && moment.event.unread === 0 && unreadBefore(moment) > 0,
    },
  ],
  stage: ReceiverScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real receiving end is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave no part of the chart out', () => {
    expect(uncovered).toEqual([]);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(314);
  });
});

describe('a real receiving end is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 100)) it(title, () => follow(plan, path));
});
