/**
 * Small statecharts that together use every feature a compiled machine supports, the odd corners of XState first. Each comes
 * with events that reach all of it.
 */
import { assign, emit, raise, setup } from 'xstate';
import type { AnyStateMachine, EventObject } from 'xstate';

export interface Toy {
  readonly name: string;
  readonly machine: AnyStateMachine;
  readonly events: readonly EventObject[];
  readonly inputs?: readonly unknown[];
}

interface Counted {
  readonly count: number;
}
type ToyEvent = { readonly type: string; readonly by?: number; readonly name?: string };

/** Entry and exit actions with the state's name, so that their order shows. */
const marks = (name: string) => ({
  entry: { type: 'mark' as const, params: { at: `enter ${name}` } },
  exit: { type: 'mark' as const, params: { at: `exit ${name}` } },
});
const mark = (at: string) => ({ type: 'mark' as const, params: { at } });

const base = setup({
  types: { context: {} as Counted, events: {} as ToyEvent, input: {} as { start: number } | undefined, emitted: {} as EventObject },
  actions: {
    mark: (_, _params: { at: string }) => {},
    note: (_, _params: { count: number; by: number | undefined }) => {},
    plain: () => {},
    add: assign(({ context, event }) => ({ count: context.count + (event.by ?? 1) })),
    addParams: assign(({ context }, params: { by: number }) => ({ count: context.count + params.by })),
    double: assign({ count: ({ context }) => context.count * 2 }),
    reset: assign({ count: 0 }),
    again: raise({ type: 'raised' }),
    againBy: raise(({ context }) => ({ type: 'raised', by: context.count })),
    shout: emit({ type: 'shouted' }),
    shoutCount: emit(({ context }) => ({ type: 'counted', count: context.count })),
  },
  guards: {
    isOdd: ({ context }) => context.count % 2 === 1,
    isBelow: ({ context }, params: { limit: number }) => context.count < params.limit,
    isPositive: ({ event }) => (event.by ?? 0) > 0,
    never: () => false,
  },
});

const nested = base.createMachine({
  id: 'nested',
  context: { count: 0 },
  initial: 'home',
  ...marks('root'),
  on: {
    reset: { target: '.home', actions: mark('reset') },
    rootInner: { target: '.away.far', actions: mark('rootInner') },
    rootAgain: { target: '.away', reenter: true, actions: mark('rootAgain') },
    rootItself: { target: '#nested', actions: mark('rootItself') },
    rootWholly: { target: '#nested', reenter: true, actions: mark('rootWholly') },
    both: { actions: mark('both at root') },
  },
  states: {
    home: {
      ...marks('home'),
      initial: { target: 'hall', actions: mark('initial of home') },
      on: {
        leave: 'away',
        jump: '#deep',
        self: { target: 'home', actions: mark('self of home') },
        selfAgain: { target: 'home', reenter: true, actions: mark('selfAgain of home') },
        inner: { target: '.attic', actions: mark('inner') },
        innerAgain: { target: '.attic', reenter: true, actions: mark('innerAgain') },
        both: { actions: mark('both at home') },
      },
      states: {
        hall: {
          ...marks('hall'),
          on: {
            up: 'attic',
            self: { target: 'hall', actions: mark('self of hall') },
            selfAgain: { target: 'hall', reenter: true, actions: mark('selfAgain of hall') },
            toParent: { target: '#nested.home', actions: mark('toParent') },
            toRoot: { target: '#nested', actions: mark('toRoot') },
            toRootAgain: { target: '#nested', reenter: true },
          },
        },
        attic: { ...marks('attic'), on: { down: 'hall', both: undefined } },
      },
    },
    away: {
      ...marks('away'),
      initial: 'near',
      on: { back: { target: 'home', actions: ['plain', mark('back')] } },
      states: {
        near: { ...marks('near'), on: { go: 'far' } },
        far: {
          ...marks('far'),
          id: 'deep',
          tags: ['remote'],
          initial: { target: 'cave', actions: mark('initial of far') },
          states: { cave: { ...marks('cave'), on: { crossing: '#nested.home.attic' } } },
        },
      },
    },
  },
});

const eventless = base.createMachine({
  id: 'eventless',
  context: ({ input }) => ({ count: input?.start ?? 0 }),
  initial: 'low',
  always: { guard: { type: 'isBelow', params: { limit: 0 } }, target: '.low', actions: 'reset' },
  on: { add: { actions: 'add' }, takeOff: { target: '.transit' } },
  states: {
    low: {
      always: [
        { guard: { type: 'isBelow', params: ({ event }) => ({ limit: event.by ?? -5 }) }, actions: { type: 'addParams', params: { by: 9 } } },
        { guard: 'isOdd', target: 'odd', actions: { type: 'note', params: ({ context, event }) => ({ count: context.count, by: event.by }) } },
      ],
      on: { double: { actions: 'double' } },
    },
    odd: {
      entry: 'double',
      always: { guard: { type: 'isBelow', params: { limit: 10 } }, target: 'low', actions: mark('small') },
      on: { add: { actions: ['add', 'add'] } },
    },
    transit: { always: [{ guard: 'never', target: 'low' }, { target: 'stuck' }], entry: mark('transit'), exit: mark('exit transit') },
    stuck: {
      // Changes nothing, so XState takes it once for each event.
      always: { target: 'stuck', reenter: true, actions: mark('spin') },
      on: { free: 'low', nudge: { actions: 'again' } },
    },
  },
});

const raising = base.createMachine({
  id: 'raising',
  context: { count: 0 },
  initial: 'calm',
  entry: 'again',
  on: { raised: { actions: [{ type: 'note', params: ({ context, event }) => ({ count: context.count, by: event.by }) }] } },
  states: {
    calm: {
      entry: ['shout', 'again', mark('calm')],
      on: { go: { target: 'busy', actions: ['add', 'againBy', 'shoutCount', 'add'] }, twice: { actions: ['again', 'againBy', 'again'] } },
    },
    busy: {
      entry: raise({ type: 'inline', by: 2 }),
      exit: [emit({ type: 'left' }), 'againBy'],
      on: {
        raised: { target: 'calm', guard: 'isPositive', actions: ['add', assign({ count: ({ context }) => context.count + 10 })] },
        inline: {
          actions: [
            { type: 'addParams', params: ({ event }) => ({ by: event.by ?? 0 }) },
            { type: 'addParams', params: { by: 100 } },
          ],
        },
        back: { target: 'calm', actions: 'reset' },
      },
    },
  },
});

const wildcards = base.createMachine({
  id: 'wildcards',
  context: { count: 0 },
  initial: 'open',
  on: { '*': { actions: mark('root wildcard') }, 'sea.*': { actions: mark('root sea') } },
  states: {
    open: {
      on: {
        '*': { actions: mark('any') },
        'sea.*': { actions: mark('sea') },
        'sea.deep.*': { guard: 'isPositive', actions: mark('deep') },
        'sea.deep.fish': { guard: 'isPositive', actions: mark('fish') },
        exact: { guard: 'never', actions: mark('exact') },
        forbidden: undefined,
        close: 'closed',
      },
    },
    closed: { on: { exact: [{ guard: 'never' }, { guard: 'isPositive', actions: mark('second') }], open: 'open', mute: {} } },
  },
});

const choosing = base.createMachine({
  id: 'choosing',
  context: ({ input }) => ({ count: input?.start ?? 0 }),
  initial: 'here',
  states: {
    here: {
      on: {
        choose: [
          { guard: { type: 'isBelow', params: { limit: 1 } }, target: 'there', actions: mark('first') },
          { guard: { type: 'isBelow', params: ({ event }) => ({ limit: event.by ?? 0 }) }, actions: 'double' },
          { guard: 'isOdd', target: 'here', reenter: true, actions: mark('odd') },
          { actions: mark('otherwise') },
        ],
        add: { actions: { type: 'addParams', params: ({ context, event }) => ({ by: (event.by ?? 1) + context.count }) } },
      },
      entry: ['add', { type: 'note', params: ({ context }) => ({ count: context.count, by: undefined }) }, 'add'],
    },
    there: { exit: 'reset', on: { choose: 'here' } },
  },
});

const finishing = setup({
  types: { context: {} as Counted, events: {} as ToyEvent, output: {} as { count: number; event: EventObject } },
  actions: {
    mark: (_, _params: { at: string }) => {},
    noteDone: (_, _params: { output: unknown }) => {},
    add: assign(({ context }) => ({ count: context.count + 1 })),
    again: raise({ type: 'raised' }),
  },
}).createMachine({
  id: 'finishing',
  context: { count: 0 },
  initial: 'work',
  output: ({ context, event }: { context: Counted; event: EventObject }) => ({ count: context.count, event }),
  exit: ['add', mark('exit root'), 'again'],
  on: { raised: { actions: mark('never after the end') } },
  states: {
    work: {
      initial: 'first',
      exit: mark('exit work'),
      onDone: { target: 'rest', actions: { type: 'noteDone', params: ({ event }) => ({ output: event.output }) } },
      on: {
        add: { actions: 'add' },
      },
      states: {
        first: { on: { step: 'second', quit: '#finishing.over' } },
        second: { on: { step: 'third' }, exit: 'add' },
        third: {
          type: 'final',
          entry: 'add',
          exit: mark('exit third'),
          output: ({ context, event }) => ({ count: context.count, type: event.type }),
        },
      },
    },
    rest: {
      initial: 'one',
      onDone: 'over',
      states: { one: { on: { step: 'two' } }, two: { type: 'final', output: 'static' } },
      on: { stay: { target: 'plainEnd', actions: 'again' } },
    },
    over: { type: 'final', entry: ['add', mark('over')], exit: ['add', mark('exit over')], output: ({ context }) => context.count * 100 },
    plainEnd: { type: 'final' },
  },
});

const brief = base.createMachine({
  id: 'brief',
  context: { count: 3 },
  initial: 'check',
  entry: 'plain',
  states: { check: { always: [{ guard: 'isOdd', target: 'end', actions: 'shoutCount' }] }, end: { type: 'final', entry: mark('end') } },
});

const single = base.createMachine({
  id: 'single',
  context: { count: 0 },
  entry: 'plain',
  on: {
    add: { actions: ['add', 'plain'] },
    again: { target: '#single', reenter: true, actions: 'plain' },
    itself: { target: '#single', actions: 'plain' },
  },
});

const of = (...types: string[]): EventObject[] => types.map((type) => ({ type }));
const by = (type: string, ...amounts: number[]): EventObject[] => amounts.map((amount) => ({ type, by: amount }) as EventObject);

export const toys: readonly Toy[] = [
  {
    name: 'nested states, parents that handle, self targets, reentering, the order of entry and exit',
    machine: nested,
    events: of(
      'reset',
      'rootInner',
      'rootAgain',
      'rootItself',
      'rootWholly',
      'both',
      'leave',
      'jump',
      'self',
      'selfAgain',
      'inner',
      'innerAgain',
      'up',
      'down',
      'toParent',
      'toRoot',
      'toRootAgain',
      'back',
      'go',
      'crossing',
    ),
  },
  {
    name: 'eventless transitions, guarded, chained, and without effect',
    machine: eventless,
    events: [...of('double', 'takeOff', 'free', 'nudge'), ...by('add', 1, 2, -7)],
    inputs: [undefined, { start: 1 }, { start: 11 }, { start: -3 }],
  },
  {
    name: 'raised and emitted events, by name and inline',
    machine: raising,
    events: [...of('go', 'twice', 'back', 'inline'), ...by('raised', 0, 1)],
  },
  {
    name: 'wildcards, exact descriptors, forbidden transitions',
    machine: wildcards,
    events: [
      ...of('forbidden', 'close', 'open', 'mute', 'sea', 'sea.shore'),
      ...by('exact', 0, 1),
      ...by('sea.deep.fish', 0, 1),
      ...by('sea.deep.wreck', 0, 1),
    ],
  },
  {
    name: 'alternatives, static and dynamic parameters',
    machine: choosing,
    events: [...by('choose', 0, 1, 50), ...by('add', 1, 2)],
    inputs: [undefined, { start: 1 }, { start: 4 }],
  },
  { name: 'final states within, onDone, final output', machine: finishing, events: of('step', 'quit', 'add', 'stay', 'raised') },
  { name: 'a machine that is done at the start', machine: brief, events: of('any') },
  { name: 'a machine without states', machine: single, events: of('add', 'again', 'itself') },
];
