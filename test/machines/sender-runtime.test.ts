/** The sending end of a channel, led along its model's paths in a real session: the user sends and closes, the peer grants and resets, the link is full. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { LARGE_ITEM, WaitingChannel } from '../support/model-channels.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';

const model = machineModels.sender;
type Model = typeof model.machine;
type Path = MachinePath<Model>;

const CHANNEL_ID = 1;

/** How many items leave while it closes. */
function spentBehind({ steps }: Path, index: number): number {
  const rest = steps.slice(index + 1).findIndex(({ event }) => event.type !== 'spent' && event.type !== 'opened');
  const run = steps.slice(index + 1, rest === -1 ? undefined : index + 1 + rest);
  return run.filter(({ event }) => event.type === 'spent').length;
}

class SenderScene implements Scene<Model> {
  readonly channel: WaitingChannel;
  readonly #isFull: boolean;

  constructor(channel: WaitingChannel, isFull: boolean) {
    this.channel = channel;
    this.#isFull = isFull;
  }

  static async stage({ input, steps }: Path): Promise<SenderScene> {
    const channel = await WaitingChannel.make('sender', input.initial);
    // What is bound to close slowly finds the link full when its call has left.
    return new SenderScene(
      channel,
      steps.some(({ snapshot }) => snapshot.value === 'closing'),
    );
  }

  get trace() {
    return this.channel.client.witness.find('sender')!;
  }

  act(moment: Moment<Model>): void | Promise<void> {
    const { channel } = this;
    const { event, state } = moment;
    switch (event.type) {
      case 'opened':
        // What was sent before leaves with the call, as far as there is room.
        if (state === 'closingUnbound') channel.shut();
        return channel.open();
      case 'spent':
        return state === 'closing' ? channel.drain() : this.#send('item');
      case 'granted':
        return channel.say({ type: 'grant', connectionId: 0, channelId: CHANNEL_ID, credit: event.credit });
      case 'close':
        return this.#close(moment);
      case 'flushed':
        return channel.drain();
      case 'reset':
        return channel.tx.reset(event.reason);
      case 'peerReset':
        return channel.say({ type: 'reset', connectionId: 0, channelId: CHANNEL_ID, reason: undefined });
      case 'lost':
        void channel.client.session.close();
        return undefined;
    }
  }

  #send(item: unknown): void {
    this.channel.tx.send(item).catch(() => {});
  }

  async #close({ event, state, path, index }: Moment<Model>): Promise<void> {
    const { channel } = this;
    const count = spentBehind(path, index);
    if (state === 'ready' && event.type === 'close' && event.waiting > 0) {
      await channel.fill();
      this.#wait(count, path.steps.length > index + 1 + count);
    } else if (state === 'unbound' && count > 0) {
      // Where it does not close after these, one more waits.
      const [, ...rest] = path.steps.slice(index + 1 + count);
      const waits = rest.length > 0 && rest[0]?.event.type !== 'flushed';
      for (let item = 0; item < count + (waits ? 1 : 0); item++) this.#send(LARGE_ITEM);
    }
    channel.tx.close();
  }

  /** Sends that wait for room: as many as are spent later, and one more that cannot be encoded when its turn comes, where nothing else would wait. */
  #wait(count: number, goesOn: boolean): void {
    for (let item = 0; item < count; item++) this.#send(LARGE_ITEM);
    if (count > 0 && !goesOn) return;
    const spoilt: unknown[] = [1];
    this.#send(spoilt);
    spoilt[0] = () => {};
  }

  /** What the tap saw leave is what was spent. */
  async after(path: Path): Promise<void> {
    await nextTurn();
    const { client } = this.channel;
    const items = client.sent('item').length + client.sent('items').reduce((sum, { values }) => sum + values.length, 0);
    expect(items).toBe(path.steps.filter(({ event }) => event.type === 'spent').length);
    const isClosed = endOf(path).value === 'closed';
    if (!this.#isFull) expect(client.sent('end')).toHaveLength(isClosed ? 1 : 0);
  }
}

const plan: Plan<Model> = {
  model,
  says: ({ type, credit, waiting }, { state }) => [credit, type === 'close' && state === 'ready' && Number(waiting) > 0],
  impossible: [
    {
      why: 'credit.spend: what is sent has credit',
      cuts: 3,
      when: ({ event, before }) => event.type === 'spent' && before.context.credit === 0,
    },
    {
      why: 'credit.wake: sends without credit do not wait for a close: the end follows the last one that has it in the same breath',
      cuts: 12,
      when: ({ event, state, before }) => state === 'closing' && before.context.credit === 0 && event.type !== 'flushed',
    },
    {
      why: 'channel.early: what was sent before its call leaves goes into the same batch',
      cuts: 12,
      when: ({ event, state, path, index }) =>
        state === 'closing' && path.steps[index - 1]?.event.type === 'opened' && event.type !== 'flushed' && event.type !== 'spent',
    },
  ],
  stage: SenderScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real sending end is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave no part of the chart out', () => {
    expect(uncovered).toEqual([]);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(220);
  });
});

describe('a real sending end is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 100)) it(title, () => follow(plan, path));
});
