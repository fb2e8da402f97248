/** That the models' paths cover every chart whole, and that the coverage would tell if they did not. */
import { setup } from 'xstate';
import { describe, expect, it } from 'vitest';
import { reportMachines } from '../../scripts/lib/machine-report.ts';
import { coverageOf } from '../../src/testing/machine-coverage.ts';
import { machineModels } from '../../src/testing/machine-models.ts';
import type { MachineModel } from '../../src/testing/machine-models.ts';
import { describePath, endOf, longestPaths, shortestPaths, simplePaths, walk } from '../../src/testing/machine-paths.ts';

const models: readonly MachineModel[] = Object.values(machineModels);
const typesOf = ({ events }: MachineModel): string[] => [...new Set((events as { type: string }[]).map(({ type }) => type))];
const without = (model: MachineModel, type: string): MachineModel => ({
  ...model,
  events: (model.events as { type: string }[]).filter((event) => event.type !== type),
});

describe('the paths of a test model', () => {
  it.each(models)('cover every state, transition and guard of the $name chart', (model) => {
    const coverage = coverageOf(model.machine, [...shortestPaths(model), ...simplePaths(model)]);
    expect(coverage.uncovered).toEqual([]);
    expect(coverage.complete).toBe(true);
  });

  it.each(models)('cover the $name chart by the shortest alone, and by the longest of them', (model) => {
    expect(coverageOf(model.machine, shortestPaths(model)).uncovered).toEqual([]);
    expect(coverageOf(model.machine, longestPaths(shortestPaths(model))).uncovered).toEqual([]);
  });

  it.each(models.flatMap((model) => typesOf(model).map((type) => ({ model, name: model.name, type }))))(
    'leave something of the $name chart uncovered without $type',
    ({ model, type }) => {
      const poorer = without(model, type);
      const { complete, transitions, uncovered } = coverageOf(model.machine, longestPaths(shortestPaths(poorer)));
      expect(complete).toBe(false);
      expect(transitions.covered).toBeLessThan(transitions.total);
      expect(uncovered.length).toBeGreaterThan(0);
    },
  );

  it.each(models.filter(({ inputs }) => inputs.length > 1))('of the $name chart begin at each of its inputs', (model) => {
    const begun = new Set(shortestPaths(model).map(({ input }) => JSON.stringify(input)));
    expect(begun.size).toBe(model.inputs.length);
  });

  it('never enter a state twice where they are simple', () => {
    for (const { start, steps } of simplePaths(machineModels.session)) {
      const entered = [start, ...steps.map(({ snapshot }) => snapshot)].map(({ value }) => JSON.stringify(value));
      expect(new Set(entered).size).toBe(entered.length);
    }
  });

  it('go on through delays as through any other event', () => {
    const ends = shortestPaths(machineModels.session).filter(({ steps }) => (steps.at(-1)?.event.type as string)?.startsWith('xstate.after.grace'));
    expect(new Set(ends.map((path) => endOf(path).value))).toEqual(new Set(['closed']));
  });

  it('end where a count leaves its bound', () => {
    const deepest = Math.max(...shortestPaths(machineModels.sender).map(({ steps }) => steps.length));
    expect(deepest).toBeLessThan(8);
    expect(simplePaths(machineModels.request, { by: 'facts' }).length).toBeGreaterThan(simplePaths(machineModels.request).length);
  });
});

describe('coverageOf', () => {
  const { keepAlive, request, operation, server } = machineModels;

  it('names a guard that was seen one way only', () => {
    const heard = shortestPaths(keepAlive).filter(({ steps }) => steps.every(({ event }) => event.heard));
    const coverage = coverageOf(keepAlive.machine, heard);
    expect(coverage.uncovered).toContain('guard wasHeard never false: resting ── elapsed [wasHeard] ─▶ resting');
    expect(coverage.guards).toEqual({ covered: 1, total: 4 });
  });

  it('counts a guard as false also where then nothing is taken', () => {
    const input = { persist: false, idem: false, channels: false, identified: true };
    const event = { type: 'cancelled', owns: true, attempt: 0 } as const;
    const way = walk(operation.machine, input, [{ type: 'admitted' }, { type: 'returned', outcome: 0 }, event]);
    expect(endOf(way).value).toBe('sealing');
    expect(coverageOf(operation.machine, [way]).uncovered).not.toContain('guard onlyWaits never false: sealing ── cancelled [onlyWaits] ─▶ stays');
    expect(coverageOf(operation.machine, [way]).uncovered).toContain('guard onlyWaits never true: sealing ── cancelled [onlyWaits] ─▶ stays');
  });

  it('drops when a path is taken away', () => {
    const judged = shortestPaths(request).filter(({ steps }) => steps.every(({ event }) => event.type !== 'judged'));
    expect(coverageOf(request.machine, judged).uncovered).toEqual(['transition interrupted ── judged ─▶ indeterminate']);
    const open = shortestPaths(server).filter((path) => endOf(path).value !== 'closed');
    expect(coverageOf(server.machine, open).uncovered).toEqual(['state closed', 'transition closing ── ended ─▶ closed']);
  });

  it('finds nothing covered but the start without a path', () => {
    expect(coverageOf(server.machine, [{ input: undefined, steps: [] }]).states).toEqual({ covered: 1, total: 3 });
    expect(coverageOf(server.machine, []).states).toEqual({ covered: 0, total: 3 });
  });

  const toy = setup({ types: { events: {} as { type: string } }, guards: { never: () => false } });

  it('sees transitions that need no event', () => {
    const machine = toy.createMachine({
      initial: 'a',
      states: { a: { always: [{ guard: 'never', target: 'c' }, { target: 'b' }] }, b: {}, c: {} },
    });
    expect(coverageOf(machine, [{ input: undefined, steps: [] }]).uncovered).toEqual([
      'state c',
      'transition a ── always [never] ─▶ c',
      'guard never never true: a ── always [never] ─▶ c',
    ]);
  });

  it('does not believe its own count where the machine goes another way', () => {
    const odd = Object.create(server.machine, { getTransitionData: { value: () => [] } }) as typeof server.machine;
    expect(() => coverageOf(odd, [{ input: undefined, steps: [{ event: { type: 'close' } }] }])).toThrow('takes another transition at close');
  });

  it.each([
    { what: 'a parallel state', machine: toy.createMachine({ type: 'parallel', states: { a: {}, b: {} } }) },
    { what: 'a wildcard', machine: toy.createMachine({ on: { '*': {} } }) },
    { what: 'a guard without a name', machine: toy.createMachine({ on: { go: { guard: () => true } } }) },
  ])('refuses $what, which it could not count', ({ machine }) => {
    expect(() => coverageOf(machine, [])).toThrow('cannot be counted');
  });
});

describe('npm run coverage:machines', () => {
  it('shows every chart, and that all of it is covered', () => {
    const { lines, complete } = reportMachines(models);
    expect(complete).toBe(true);
    expect(lines).toHaveLength(models.length + 2);
    expect(lines.at(-1)).toMatch(/^100 % of \d+ /);
    for (const { name } of models) expect(lines.some((line) => line.startsWith(`${name} `))).toBe(true);
  });

  it('names what is not covered, and is not content', () => {
    const { lines, complete } = reportMachines([without(machineModels.request, 'judged')]);
    expect(complete).toBe(false);
    expect(lines).toContain('  not covered: transition interrupted ── judged ─▶ indeterminate');
    expect(lines.at(-1)).not.toMatch(/^100 %/);
  });
});

it('describes a path by its input and events', () => {
  const input = { idem: true, identified: false };
  expect(describePath(walk(machineModels.request.machine, input, []))).toBe('{"idem":true,"identified":false}: the start');
  const way = walk(machineModels.keepAlive.machine, undefined, [{ type: 'elapsed', heard: true }]);
  expect(describePath(way)).toBe('elapsed {"heard":true}');
});

it('walks no farther than the machine lives', () => {
  const way = walk(machineModels.server.machine, undefined, [{ type: 'close' }, { type: 'ended' }, { type: 'close' }]);
  expect(way.steps.map(({ snapshot }) => snapshot.value)).toEqual(['closing', 'closed']);
});

it('keeps of several paths each longest one, once', () => {
  const { machine } = machineModels.server;
  const whole = () => walk(machine, undefined, [{ type: 'close' }, { type: 'ended' }]);
  expect(longestPaths([walk(machine, undefined, [{ type: 'close' }]), whole(), whole()]).map(describePath)).toEqual(['close · ended']);
});
