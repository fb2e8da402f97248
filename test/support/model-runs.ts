/**
 * Leads a real actor of the running system along the paths of its test model: at each step the system is brought to send the actor the model's event, by
 * what peers, users, networks and stores do, never by the actor's own `send`; then the actor must have got that event, and be where the model is. What the
 * system cannot be brought to do stands in a table with its reason, and the paths end there.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, onTestFinished, vi } from 'vitest';
import { getNextTransitions } from 'xstate';
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, EventFrom, EventObject, InspectionEvent, StateValue } from 'xstate';
import { coverageOf } from '../../src/testing/machine-coverage.ts';
import type { MachineModel } from '../../src/testing/machine-models.ts';
import { describeEvent, describePath, endOf, longestPaths, shortestPaths, simplePaths, walk } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';

/** An event that an actor has handled, and what it was afterwards. */
interface Entry {
  readonly event: EventObject & Readonly<Record<string, unknown>>;
  readonly snapshot: AnyMachineSnapshot;
}

/** Everything one real actor has handled, as an inspector saw it. */
export class Trace {
  readonly ref: AnyActorRef;
  readonly entries: Entry[] = [];

  constructor(ref: AnyActorRef) {
    this.ref = ref;
  }

  get id(): string {
    return this.ref.id;
  }
}

/** An inspector, for the `inspect` option of `connect` and `listen`: keeps a trace of every actor, in the order they came. */
export class Witness {
  readonly traces: Trace[] = [];
  readonly #byRef = new Map<object, Trace>();

  readonly inspect = (event: InspectionEvent): void => {
    const ref = (event as unknown as { actorRef?: AnyActorRef }).actorRef;
    if (ref === undefined || (event.type !== '@xstate.actor' && event.type !== '@xstate.snapshot')) return;
    const trace = this.#traceOf(ref);
    if (event.type !== '@xstate.snapshot' || /^xstate\.(init|done|error|stop)/.test(event.event.type)) return;
    trace.entries.push({ event: event.event, snapshot: event.snapshot as AnyMachineSnapshot });
  };

  #traceOf(ref: AnyActorRef): Trace {
    let trace = this.#byRef.get(ref);
    if (trace === undefined) {
      trace = new Trace(ref);
      this.#byRef.set(ref, trace);
      this.traces.push(trace);
    }
    return trace;
  }

  /** The one actor whose id is, or begins with, that; undefined: there is none. The last one, where there were several. */
  find(id: string): Trace | undefined {
    return this.traces.findLast((trace) => trace.id === id || trace.id.startsWith(`${id}:`));
  }
}

/** Where in its path a run stands. */
export interface Moment<M extends AnyStateMachine> {
  readonly path: MachinePath<M>;
  readonly index: number;
  readonly event: MachinePath<M>['steps'][number]['event'];
  /** The model before the event. */
  readonly before: AnyMachineSnapshot;
  readonly state: string;
  /** The type of the event after it. */
  readonly next: string | undefined;
}

/** Real peers with the actor in its initial state. */
export interface Scene<M extends AnyStateMachine> {
  readonly trace: Trace;
  /** Makes the system send the actor the moment's event. */
  act(moment: Moment<M>): void | Promise<void>;
  /** After the last step: what else must be so, on the wire say. */
  after?(path: MachinePath<M>): void | Promise<void>;
}

/** What the real system does not do, and why. */
export interface Impossible<M extends AnyStateMachine> {
  readonly why: string;
  /** How many of the model's paths end early by it. */
  readonly cuts: number;
  readonly when: (moment: Moment<M>) => boolean;
}

export interface Plan<M extends AnyStateMachine> {
  readonly model: MachineModel<M>;
  readonly impossible: readonly Impossible<M>[];
  /** What an event must say as the model's does, beside its type. */
  readonly says?: (event: Readonly<Record<string, unknown>>, moment: Moment<M>) => unknown;
  /** Puts into a path what the chart does not ask for and the system does: an item must come before it is read. */
  readonly complete?: (path: MachinePath<M>) => readonly EventFrom<M>[];
  /** Events that may come at any time and change nothing there: passed over where the path does not ask for them. */
  readonly passesOver?: (type: string, path: MachinePath<M>) => boolean;
  readonly stage: (path: MachinePath<M>) => Promise<Scene<M>>;
}

/** The paths that the real system can be led along, and what was cut off. */
export interface Itinerary<M extends AnyStateMachine> {
  readonly cases: readonly { readonly title: string; readonly path: MachinePath<M> }[];
  /** Paths of the model, those that are the beginning of another one left out. */
  readonly total: number;
  /** How many of them end early, by the reason: as it is, and as the table says. */
  readonly cut: Readonly<Record<string, number>>;
  readonly expectedCut: Readonly<Record<string, number>>;
  /** What is walked covers all of the chart but this. */
  readonly uncovered: readonly string[];
}

export function valueText(value: StateValue): string {
  return typeof value === 'string'
    ? value
    : Object.entries(value)
        .map(([key, inner]) => `${key}.${valueText(inner as StateValue)}`)
        .join();
}

function momentAt<M extends AnyStateMachine>(path: MachinePath<M>, index: number): Moment<M> {
  const before = (index === 0 ? path.start : path.steps[index - 1]?.snapshot) as unknown as AnyMachineSnapshot;
  const event = path.steps[index]?.event as Moment<M>['event'];
  const next = (path.steps[index + 1]?.event as EventObject | undefined)?.type;
  return { path, index, event, before, state: valueText(before.value), next };
}

export function itinerary<M extends AnyStateMachine>(plan: Plan<M>): Itinerary<M> {
  const { model, impossible, complete } = plan;
  const found = longestPaths([...shortestPaths(model), ...simplePaths(model)]);
  const all = complete === undefined ? found : longestPaths(distinct(found.map((path) => walk(model.machine, path.input, complete(path)))));
  const cut = Object.fromEntries(impossible.map(({ why }) => [why, 0]));
  const walked = all.map((path) => shortened(path, plan, ({ why }) => (cut[why] = (cut[why] ?? 0) + 1)));
  // Where not even the first step can be made, there is nothing to see.
  const begun = distinct(walked.filter(({ steps }) => steps.length > 0));
  const cases = casesOf(longestPaths(begun));
  const expectedCut = Object.fromEntries(impossible.map(({ why, cuts }) => [why, cuts]));
  const { uncovered } = coverageOf(
    model.machine,
    cases.map(({ path }) => path),
  );
  return { cases, total: all.length, cut, expectedCut, uncovered };
}

/** The path as far as the real system can be led along it. */
function shortened<M extends AnyStateMachine>(
  path: MachinePath<M>,
  { impossible }: Plan<M>,
  onCut: (reason: Impossible<M>) => void = () => {},
): MachinePath<M> {
  for (let index = 0; index < path.steps.length; index++) {
    const reason = impossible.find(({ when }) => when(momentAt(path, index)));
    if (reason === undefined) continue;
    onCut(reason);
    return { ...path, steps: path.steps.slice(0, index) };
  }
  return path;
}

function casesOf<M extends AnyStateMachine>(paths: readonly MachinePath<M>[]): Itinerary<M>['cases'] {
  return paths.map((path) => ({ title: describePath(path as MachinePath), path }));
}

const STROLL_STEPS = 12;

/** Random ways through the model, longer than its paths: always the same ones. They come back to states, and seldom end early. */
export function strolls<M extends AnyStateMachine>(plan: Plan<M>, count: number, seed = 1): Itinerary<M>['cases'] {
  const { model, complete } = plan;
  const dice = fc.array(fc.nat(), { minLength: 3 * STROLL_STEPS + 1, maxLength: 3 * STROLL_STEPS + 1 });
  const paths = fc.sample(dice, { seed, numRuns: count }).map((numbers) => {
    const path = stroll(plan, numbers);
    return complete === undefined ? path : shortened(walk(model.machine, path.input, complete(path)), plan);
  });
  return casesOf(longestPaths(paths.filter(({ steps }) => steps.length > 0)));
}

function stroll<M extends AnyStateMachine>(plan: Plan<M>, [first = 0, ...numbers]: readonly number[]): MachinePath<M> {
  const { machine, events, inputs, within = () => true } = plan.model;
  let path = walk(machine, inputs[first % inputs.length] as MachinePath<M>['input'], []);
  for (let step = 0; step < STROLL_STEPS; step++) {
    const before = endOf(path as MachinePath);
    if (before.status !== 'active' || !within(before.context)) break;
    const heard = new Set(getNextTransitions(before).map(({ eventType }) => eventType));
    const onwards = events
      .filter((event) => heard.has((event as EventObject).type))
      .map((event) => walk(machine, path.input, [...path.steps.map((taken) => taken.event), event]))
      .filter((longer) => shortened(longer, plan) === longer);
    // Three throws, for a step that does not end it.
    const thrown = [0, 1, 2].map((go) => onwards[(numbers[3 * step + go] ?? 0) % onwards.length]).filter((longer) => longer !== undefined);
    const next = thrown.find((longer) => endOf(longer as MachinePath).status === 'active') ?? thrown[0];
    if (next === undefined) break;
    path = next;
  }
  return path;
}

function distinct<M extends AnyStateMachine>(paths: readonly MachinePath<M>[]): MachinePath<M>[] {
  return [...new Map(paths.map((path) => [describePath(path as MachinePath), path])).values()];
}

/** Microtasks first, so that nothing else happens between an event and a look at its actor; then turns of the event loop. */
async function until(happened: () => boolean): Promise<boolean> {
  for (let tick = 0; tick < 60 && !happened(); tick++) await Promise.resolve();
  for (let turn = 0; turn < 20 && !happened(); turn++) await nextTurn();
  return happened();
}

/** What XState's development build says of every actor that starts in an action, and of every child that outlives its parent: both are meant here. */
const KNOWN_WARNINGS = /^Custom actions should not call `assign\(\)`|was sent to stopped actor/;

function muteKnownWarnings(): void {
  const { warn } = console;
  const spy = vi.spyOn(console, 'warn').mockImplementation((...said: unknown[]) => {
    if (!KNOWN_WARNINGS.test(String(said[0]))) warn(...said);
  });
  onTestFinished(() => spy.mockRestore());
}

/** Walks one path. Throws where the real actor goes another way. */
export async function follow<M extends AnyStateMachine>(plan: Plan<M>, path: MachinePath<M>): Promise<void> {
  muteKnownWarnings();
  const scene = await plan.stage(path);
  const { trace } = scene;
  let at = 0;
  // What the actor handles besides and does not react to is passed over.
  const arrival = (before: AnyMachineSnapshot, type: string): Entry | undefined => {
    const heard = new Set(getNextTransitions(before).map(({ eventType }) => eventType));
    const isBesides = (came: string): boolean => came !== type && (!heard.has(came) || plan.passesOver?.(came, path) === true);
    while (at < trace.entries.length && isBesides(trace.entries[at]?.event.type ?? '')) at++;
    return trace.entries[at];
  };
  for (let index = 0; index < path.steps.length; index++) {
    const moment = momentAt(path, index);
    const expected = moment.event as Entry['event'];
    if (arrival(moment.before, expected.type) === undefined) await scene.act(moment);
    await until(() => arrival(moment.before, expected.type) !== undefined);
    const entry = arrival(moment.before, expected.type);
    at++;
    const where = `${describePath(path as MachinePath)}: step ${index + 1}, ${describeEvent(expected)} in ${moment.state}`;
    const { says = () => undefined } = plan;
    expect(entry && [entry.event.type, says(entry.event, moment)], where).toEqual([expected.type, says(expected, moment)]);
    const model = path.steps[index]?.snapshot as AnyMachineSnapshot;
    expect(entry?.snapshot.value, where).toEqual(model.value);
    const { facts = () => 0 } = plan.model;
    expect(facts(entry?.snapshot.context), where).toEqual(facts(model.context));
    if (at === trace.entries.length) expect((trace.ref.getSnapshot() as AnyMachineSnapshot).value, where).toEqual(model.value);
  }
  await scene.after?.(path);
}
