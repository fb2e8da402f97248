/** The simulation as a proof of the rules: many seeds, each with faults of its own, in which no rule may be broken. The same seed is the same run. */
import { describe, expect, it } from 'vitest';
import { FAULTS, simulate } from 'statewire/testing';
import type { Fault, SimulateOptions, SimulationResult } from 'statewire/testing';

/** What a failing seed is shown by. */
function report({ seed, faults, violations, diagram }: SimulationResult): string {
  if (violations.length === 0) return 'every rule was kept';
  const broken = violations.slice(0, 3).map(({ atMs, rule, message }) => `${atMs} ms [${rule}] ${message}`);
  return [`seed ${seed}, with ${faults.join(', ')}`, ...broken, diagram()].join('\n');
}

async function expectClean(options: SimulateOptions): Promise<SimulationResult> {
  const result = await simulate(options);
  expect(report(result)).toBe('every rule was kept');
  return result;
}

const SEEDS = process.env['STATEWIRE_ALL'] === undefined ? 20 : 60;

describe('the same seed', () => {
  it('gives the same trace, byte for byte, whatever else the process does', async () => {
    const options = { seed: 11, calls: 400 };
    const [first, ...others] = await Promise.all([simulate(options), simulate({ seed: 12, calls: 300 }), simulate(options)]);
    const later = await simulate(options);
    expect(others[1]?.trace === first.trace).toBe(true);
    expect(later.trace === first.trace).toBe(true);
    expect(later.steps).toBe(first.steps);
    expect(first.trace.split('\n').length).toBeGreaterThan(400);
    expect(others[0]?.trace === first.trace).toBe(false);
  });
});

describe('with all faults', () => {
  const seeds = Array.from({ length: SEEDS / 10 }, (_, index) => 1 + index * 10);

  it.each(seeds)(
    '[op.attach] [op.replay] [op.seal] [op.scope] [channel.order] [credit.spend] [credit.grant] [attempt.never-parked] [resume.unknown] keeps every rule, and settles all when faults stop: ten seeds from %i',
    async (first) => {
      for (let seed = first; seed < first + 10; seed++) await expectClean({ seed, mode: seed % 4 === 0 ? 'safety' : 'liveness' });
    },
    60_000,
  );
});

describe('with one kind of fault', () => {
  /** What the trace says where a fault has happened. */
  const TRACES: Readonly<Record<Fault, RegExp>> = {
    cut: /is cut off for \d{1,2} ms/,
    blackout: /is cut off for \d{3} ms/,
    'half-open': /hears nothing any more/,
    lag: /its network takes up to/,
    'slow-reader': /reads nothing for/,
    'duplicate-connect': /its last hello arrives again/,
    'server-crash': /s\d is killed/,
    'client-crash': /c\d is killed/,
    drain: /closes, with \d+ ms of grace/,
    failover: /is led to/,
    'store-errors': /fails now and then/,
    'clock-jump': /its clock jumps/,
  };

  it.each(FAULTS)('[outcome.reason] [attempt.one-response] tells nobody what only another fault explains: %s', async (fault) => {
    let seen = 0;
    // A run takes each fault by chance.
    for (let seed = 1; seed <= 12; seed++) {
      const { trace } = await expectClean({ seed, calls: 500, faults: [fault] });
      if (TRACES[fault].test(trace)) seen++;
    }
    expect(seen).toBeGreaterThan(0);
  });

  it('[op.seal] without any fault every call has its own outcome, and nothing is retried', async () => {
    const { outcomes, trace } = await expectClean({ seed: 5, faults: [] });
    const surprising = Object.keys(outcomes).filter(
      (outcome) => /store-lost|abandoned|deadline|unavailable|closed/.test(outcome) && !/closed:closed|indeterminate:closed/.test(outcome),
    );
    expect(surprising).toEqual([]);
    expect(trace).not.toMatch(/resumes|is killed/);
  });
});

describe('bounds and options', () => {
  it('makes as many calls as it is told, or as many as fit into the steps', async () => {
    expect((await simulate({ seed: 3, calls: 250 })).calls).toBe(250);
    const { calls, steps } = await simulate({ seed: 3, steps: 50 });
    expect(calls).toBeLessThan(2_000);
    expect(steps).toBeGreaterThanOrEqual(50);
  });

  it.each<[string, object]>([
    ['options.seed', { seed: 0.5 }],
    ['options.seed', {}],
    ['options with a seed', undefined as never],
    ['options.calls', { seed: 1, calls: -1 }],
    ['options.steps', { seed: 1, steps: Number.NaN }],
    ['options.mode', { seed: 1, mode: 'both' }],
    ['options.faults', { seed: 1, faults: ['rain'] }],
    ['options.speed', { seed: 1, speed: 2 }],
  ])('refuses %s that makes no sense', async (path, options) => {
    await expect(simulate(options as SimulateOptions)).rejects.toThrow(path);
  });
});
