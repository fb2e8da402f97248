import {
  and,
  assign,
  cancel,
  createActor,
  createMachine,
  enqueueActions,
  log,
  not,
  or,
  raise,
  sendTo,
  setup,
  spawnChild,
  stateIn,
  stopChild,
} from 'xstate';
import type { AnyStateMachine, InspectionEvent } from 'xstate';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/machines/compile.ts';
import { toys } from '../support/toy-machines.ts';
import { visible } from '../support/machines.ts';

const named = { actions: { act: () => {} }, guards: { test: () => true } };

/** A machine whose state `here` uses the feature. */
function withState(here: object, implementations: object = {}): AnyStateMachine {
  const config = { id: 'odd', initial: 'here', states: { here, there: {} } };
  return createMachine(config as never, { ...named, ...implementations } as never);
}

const onGo = (transition: object) => withState({ on: { go: transition } });
const acting = (action: unknown) => onGo({ actions: action });
const guarded = (guard: unknown) => onGo({ guard, target: 'there' });
const inlineAction = () => {};
const inlineGuard = () => true;

const refused: readonly { readonly feature: string; readonly machine: AnyStateMachine; readonly says: RegExp }[] = [
  { feature: 'parallel states', machine: withState({ type: 'parallel', states: { a: {}, b: {} } }), says: /parallel state/ },
  {
    feature: 'history',
    machine: withState({ initial: 'a', states: { a: {}, back: { type: 'history' } } }),
    says: /'odd.here.back' uses a history state/,
  },
  { feature: 'after', machine: withState({ after: { 10: 'there' } }), says: /`after`/ },
  { feature: 'invoke', machine: withState({ invoke: { src: createMachine({}) } }), says: /`invoke`/ },
  { feature: 'route', machine: withState({ id: 'oddly', route: {} }), says: /`route`/ },
  { feature: 'several targets', machine: onGo({ target: ['there', 'here'] }), says: /several targets \(event 'go'\)/ },
  { feature: 'an inline action', machine: acting(inlineAction), says: /inline action \(inlineAction\)/ },
  { feature: 'an inline entry action', machine: withState({ entry: () => {} }), says: /inline action/ },
  { feature: 'an inline exit action', machine: withState({ exit: inlineAction }), says: /inline action/ },
  {
    feature: 'an inline action of an initial transition',
    machine: withState({ initial: { target: 'a', actions: inlineAction }, states: { a: {} } }),
    says: /inline action/,
  },
  { feature: 'an action without implementation', machine: acting('forgotten'), says: /'forgotten' without an implementation/ },
  { feature: 'enqueueActions', machine: acting(enqueueActions(() => {})), says: /the action enqueueActions/ },
  { feature: 'sendTo', machine: acting(sendTo('x', { type: 'y' })), says: /the action sendTo/ },
  { feature: 'spawnChild', machine: acting(spawnChild(createMachine({}))), says: /the action spawnChild/ },
  { feature: 'stopChild', machine: acting(stopChild('x')), says: /the action stopChild/ },
  { feature: 'cancel', machine: acting(cancel('x')), says: /the action cancel/ },
  { feature: 'log', machine: acting(log('x')), says: /the action log/ },
  { feature: 'a delayed raise', machine: acting(raise({ type: 'later' }, { delay: 5 })), says: /delayed raise/ },
  {
    feature: 'such an action under a name',
    machine: withState({ entry: 'tell' }, { actions: { tell: sendTo('x', { type: 'y' }) } }),
    says: /the action sendTo \('tell'\)/,
  },
  { feature: 'an inline guard', machine: guarded(inlineGuard), says: /inline guard \(inlineGuard\)/ },
  { feature: 'an inline guard of an eventless transition', machine: withState({ always: { guard: inlineGuard } }), says: /inline guard/ },
  { feature: 'and()', machine: guarded(and(['test', 'test'])), says: /combined guard and\(\)/ },
  { feature: 'or()', machine: guarded(or(['test', 'test'])), says: /combined guard or\(\)/ },
  { feature: 'not()', machine: guarded(not('test')), says: /combined guard not\(\)/ },
  { feature: 'stateIn()', machine: guarded(stateIn('here')), says: /combined guard stateIn\(\)/ },
  {
    feature: 'a combined guard under a name',
    machine: withState({ on: { go: { guard: 'both' } } }, { guards: { both: and(['test', 'test']) } }),
    says: /combined guard and\(\)/,
  },
  { feature: 'a guard without implementation', machine: guarded('forgotten'), says: /guard 'forgotten' without a function/ },
  { feature: 'a bound on microsteps', machine: createMachine({ id: 'odd', options: { maxIterations: 3 } }), says: /maxIterations/ },
];

describe('compile', () => {
  it.each(refused)('refuses $feature, naming it, the machine and the state', ({ machine, says }) => {
    expect(() => compile(machine)).toThrow(says);
    expect(() => compile(machine)).toThrow(/Machine 'odd' cannot be compiled: state 'odd/);
  });

  it('compiles a machine once', () => {
    const [toy] = toys;
    const machine = toy?.machine as AnyStateMachine;
    expect(compile(machine)).toBe(compile(machine));
  });

  it('gives a snapshot with the methods of a stock one', () => {
    const machine = toys[0]?.machine as AnyStateMachine;
    const compiled = compile(machine);
    const [first] = compiled.initial(undefined);
    const [far] = compiled.transition(first, { type: 'jump' });
    expect(far.matches({ away: 'far' })).toBe(true);
    expect(far.hasTag('remote')).toBe(true);
    expect(far.can({ type: 'crossing' })).toBe(true);
    expect(first.can({ type: 'crossing' })).toBe(false);
    expect(far.machine).toBe(machine);
    expect(JSON.parse(JSON.stringify(far))).toMatchObject({ value: { away: { far: 'cave' } }, tags: ['remote'], status: 'active' });
  });

  it('keeps the very snapshot at an event nothing answers to', () => {
    const compiled = compile(toys[0]?.machine as AnyStateMachine);
    const [first] = compiled.initial(undefined);
    expect(compiled.transition(first, { type: 'unheard' })[0]).toBe(first);
  });

  it('leaves a finished snapshot alone', () => {
    const compiled = compile(toys.find(({ name }) => name.includes('done at the start'))?.machine as AnyStateMachine);
    const [done] = compiled.initial(undefined);
    expect(done.status).toBe('done');
    expect(compiled.transition(done, { type: 'any' })).toEqual([done, []]);
  });

  it("ends a snapshot at XState's own stop and child-error events as stock does", () => {
    const machine = toys[0]?.machine as AnyStateMachine;
    const compiled = compile(machine);
    const [first] = compiled.initial(undefined);
    expect(compiled.transition(first, { type: 'xstate.stop' })[0].status).toBe('stopped');
    const [failed] = compiled.transition(first, { type: 'xstate.error.actor.child', error: 'lost' });
    expect(failed).toMatchObject({ status: 'error', error: 'lost' });
  });

  it('refuses the snapshot of another machine', () => {
    const other = createMachine({ id: 'other', initial: 'elsewhere', states: { elsewhere: {} } });
    const compiled = compile(toys[0]?.machine as AnyStateMachine);
    expect(() => compiled.transition(compile(other).initial(undefined)[0] as never, { type: 'x' })).toThrow(/has no state elsewhere/);
  });

  it('says which guard threw, where and at what', () => {
    const machine = setup({
      guards: {
        broken: () => {
          throw new Error('inside');
        },
      },
    }).createMachine({ id: 'm', initial: 'a', states: { a: { on: { go: { guard: 'broken' } } } } });
    const compiled = compile(machine);
    const [first] = compiled.initial(undefined);
    expect(() => compiled.transition(first, { type: 'go' })).toThrow("The guard 'broken' of state 'm.a' threw at event 'go'.");
  });

  it.each(['self', 'system', 'spawn'])('throws when an assignment asks for `%s`, which a compiled machine cannot give', (name) => {
    const machine = setup({ actions: { ask: assign((args) => ({ found: args[name as 'self'] })) } }).createMachine({
      context: {},
      on: { go: { actions: 'ask' } },
    });
    const compiled = compile(machine);
    const [first] = compiled.initial(undefined);
    expect(() => compiled.transition(first, { type: 'go' })).toThrow(`have no \`${name}\``);
  });

  it.each(['self', 'spawn'])('throws when the context function asks for `%s`', (name) => {
    const machine = createMachine({ context: (args) => ({ found: args[name as 'self'] }) });
    expect(() => compile(machine).initial(undefined)).toThrow(`have no \`${name}\``);
  });
});

describe("a compiled machine's logic on XState's createActor", () => {
  it.each(toys)('performs the same actions, emits and shows the same: $name', ({ machine, events, inputs = [undefined] }) => {
    for (const input of inputs) {
      expect(told(compile(recording(machine)).logic, input, events)).toEqual(told(recording(machine), input, events));
    }
  });
});

/** What the machines' actions have noted. */
let notes: unknown[] = [];

function recording(machine: AnyStateMachine): AnyStateMachine {
  const note =
    (name: string) =>
    ({ context, event }: { context: unknown; event: unknown }, params: unknown) =>
      void notes.push({ name, context, event, params });
  return machine.provide({ actions: Object.fromEntries(compile(machine).tables.actionNames.map((name) => [name, note(name)])) } as never);
}

function told(logic: AnyStateMachine | ReturnType<typeof compile>['logic'], input: unknown, events: readonly { type: string }[]): unknown[] {
  notes = [];
  const shown: unknown[] = [];
  const actor = createActor(
    logic as AnyStateMachine,
    {
      input,
      inspect: (event: InspectionEvent) => void (event.type === '@xstate.action' && shown.push(event.action)),
    } as object,
  );
  actor.on('*', (event) => void notes.push({ emitted: event }));
  actor.subscribe((snapshot) => void notes.push(visible(snapshot)));
  actor.start();
  for (const event of events) {
    if (actor.getSnapshot().status === 'active') {
      actor.send(event);
    }
  }
  return [...notes, ...shown];
}
