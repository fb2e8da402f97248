/** What can happen to the two peers, step by step: each command says when it makes sense, does the same to the model and to the system, and lets all that follows happen. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { DEADLINE_MS, isStream, RETENTION_MS } from './model.ts';
import type { Call, Direction, Model, Place, Policy } from './model.ts';
import type { System } from './system.ts';

type Command = fc.AsyncCommand<Model, System>;

/** Longer than a dial, a flush and whatever follows. */
const STEP_MS = 20;

abstract class Step implements Command {
  abstract check(model: Readonly<Model>): boolean;
  abstract toString(): string;
  protected abstract act(model: Model, system: System): Promise<void> | void;

  async run(model: Model, system: System): Promise<void> {
    const acted = Promise.resolve(this.act(model, system));
    // It is awaited when time has passed, which it may need.
    acted.catch(() => {});
    await this.pass(model, system, STEP_MS);
    await acted;
    compare(model, system, this.toString());
  }

  protected async pass(model: Model, system: System, durationMs: number): Promise<void> {
    await system.clock.advance(durationMs);
    model.pass(durationMs);
  }
}

/** What both must agree on after each step. */
function compare(model: Model, system: System, step: string): void {
  const told = model.calls.filter(({ gone }) => !gone).map(({ n, outcome }) => [n, outcome]);
  expect(Object.fromEntries(told.map(([n]) => [n, system.outcomes.get(n as number)])), `what calls were told after: ${step}`).toEqual(
    Object.fromEntries(told),
  );
  expect(Object.fromEntries(system.runs), `how often handlers ran after: ${step}`).toEqual(Object.fromEntries(model.runs));
  const status = model.session === 'over' ? 'closed' : model.link === 'up' ? 'connected' : 'lost';
  expect({ disconnected: 'lost', reconnecting: 'lost' }[system.status] ?? system.status, `the session after: ${step}`).toBe(status);
}

const goesOn = (model: Readonly<Model>): boolean => model.session === 'goes on';
const isUp = (model: Readonly<Model>): boolean => goesOn(model) && model.link === 'up';
/** One of a list, by a number that stays meaningful while fast-check shrinks. */
const pick = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

interface CallTerms {
  readonly direction: Direction;
  readonly place: Place;
  readonly policy: Policy;
  readonly name: string | undefined;
  readonly args: number;
}

class MakeCall extends Step {
  readonly #terms: CallTerms;
  constructor(terms: CallTerms) {
    super();
    // A stream's end is passed once, so it is not asked for twice.
    this.#terms = isStream(terms.policy) ? { ...terms, name: undefined, place: 'root', direction: 'up' } : terms;
  }
  check(model: Readonly<Model>): boolean {
    const { direction, place } = this.#terms;
    // Without a link the acceptor has its session no more than the initiator: both may ask, and wait.
    return goesOn(model) && (place === 'root' || model.virtual === 'open') && (direction === 'up' || model.link === 'up');
  }
  act(model: Model, system: System): void {
    system.call(model.call(this.#terms));
  }
  override toString(): string {
    const { direction, place, policy, name, args } = this.#terms;
    return `call ${direction} ${policy}${name === undefined ? '' : ` ‘${name}’`}(${args})${place === 'virtual' ? ' on the virtual connection' : ''}`;
  }
}

/** A duplicate of a call that had a name. */
class AskAgain extends Step {
  readonly #index: number;
  constructor(index: number) {
    super();
    this.#index = index;
  }
  check(model: Readonly<Model>): boolean {
    return isUp(model) && named(model).length > 0;
  }
  act(model: Model, system: System): void {
    const { direction, policy, key, args } = pick(named(model), this.#index);
    system.call(model.call({ direction, place: 'root', policy, args, name: key }));
  }
  override toString(): string {
    return `ask again ${this.#index}`;
  }
}

const named = (model: Readonly<Model>): Call[] => model.calls.filter(({ isNamed }) => isNamed);

class EndHandler extends Step {
  readonly #index: number;
  readonly #how: 'value' | 'user' | 'throws';
  constructor(index: number, how: 'value' | 'user' | 'throws') {
    super();
    this.#index = index;
    this.#how = how;
  }
  check(model: Readonly<Model>): boolean {
    return goesOn(model) && endable(model).length > 0;
  }
  act(model: Model, system: System): void {
    const name = pick(endable(model), this.#index);
    model.end(name, this.#how);
    system.end(name, this.#how);
  }
  override toString(): string {
    return `handler ${this.#index} ends: ${this.#how}`;
  }
}

/** Streams end by themselves. */
const endable = (model: Readonly<Model>): string[] =>
  model.live().filter((name) => !model.calls.some((call) => isStream(call.policy) && `${call.direction} ${call.key}` === name));

class Cancel extends Step {
  readonly #index: number;
  constructor(index: number) {
    super();
    this.#index = index;
  }
  check(model: Readonly<Model>): boolean {
    return goesOn(model) && model.pending().length > 0;
  }
  act(model: Model, system: System): void {
    const call = pick(model.pending(), this.#index);
    model.cancel(call);
    system.cancel(call.n);
  }
  override toString(): string {
    return `cancel ${this.#index}`;
  }
}

class Stream extends Step {
  readonly #index: number;
  readonly #what: 'send' | 'close';
  constructor(index: number, what: 'send' | 'close') {
    super();
    this.#index = index;
    this.#what = what;
  }
  check(model: Readonly<Model>): boolean {
    return isUp(model) && streams(model).length > 0;
  }
  async act(model: Model, system: System): Promise<void> {
    const call = pick(streams(model), this.#index);
    if (this.#what === 'send') {
      model.send(call);
      await system.send(call.n);
    } else {
      model.closeStream(call);
      system.closeStream(call.n);
    }
  }
  override toString(): string {
    return `stream ${this.#index}: ${this.#what}`;
  }
}

const streams = (model: Readonly<Model>): Call[] => model.pending().filter(({ stream }) => stream === 'open');

class Cut extends Step {
  check = isUp;
  act(model: Model, system: System): void {
    model.cut();
    system.network.cut();
  }
  override toString(): string {
    return 'cut';
  }
}

class Heal extends Step {
  check(model: Readonly<Model>): boolean {
    return goesOn(model) && model.link === 'down';
  }
  act(model: Model, system: System): void {
    model.heal();
    system.network.heal();
  }
  override toString(): string {
    return 'heal';
  }
}

class Crash extends Step {
  check = goesOn;
  async act(model: Model, system: System): Promise<void> {
    model.crash();
    system.crash();
    await system.restart();
  }
  override toString(): string {
    return 'the server is killed and started again';
  }
}

class Open extends Step {
  check(model: Readonly<Model>): boolean {
    return isUp(model) && model.virtual === 'none';
  }
  async act(model: Model, system: System): Promise<void> {
    model.open();
    await system.open();
  }
  override toString(): string {
    return 'open the virtual connection';
  }
}

class Close extends Step {
  check(model: Readonly<Model>): boolean {
    return isUp(model) && model.virtual === 'open';
  }
  act(model: Model, system: System): void {
    model.close();
    system.close();
  }
  override toString(): string {
    return 'close the virtual connection';
  }
}

class Wait extends Step {
  readonly #forMs: number;
  constructor(forMs: number) {
    super();
    this.#forMs = forMs;
  }
  check = goesOn;
  async act(model: Model, system: System): Promise<void> {
    await this.pass(model, system, this.#forMs);
  }
  override toString(): string {
    return `${this.#forMs} ms pass`;
  }
}

const index = fc.nat({ max: 20 });
const policy = fc.constantFrom<Policy>('volatile', 'idem', 'persist', 'both', 'stream', 'streamIdem');
const terms = fc.record({
  direction: fc.constantFrom<Direction>('up', 'up', 'down'),
  place: fc.constantFrom<Place>('root', 'root', 'virtual'),
  policy,
  name: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  args: fc.constantFrom(1, 1, 1, 2),
});
const makeCall = terms.map((given) => new MakeCall(given));
const end = fc.tuple(index, fc.constantFrom('value' as const, 'value' as const, 'user' as const, 'throws' as const));

export const commands = [
  makeCall,
  makeCall,
  index.map((which) => new AskAgain(which)),
  end.map(([which, how]) => new EndHandler(which, how)),
  index.map((which) => new Cancel(which)),
  fc.tuple(index, fc.constantFrom('send' as const, 'send' as const, 'close' as const)).map(([which, what]) => new Stream(which, what)),
  fc.constant(new Cut()),
  fc.constant(new Heal()),
  fc.constant(new Heal()),
  fc.constant(new Crash()),
  fc.constant(new Open()),
  fc.constant(new Close()),
  fc.constantFrom(500, 500, DEADLINE_MS, RETENTION_MS + 10_000).map((forMs) => new Wait(forMs)),
];
