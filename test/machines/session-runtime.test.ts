/** A session, led along its model's paths in the real runtime: as the side that dials, and as the side that listens. */
import { describe, expect, it } from 'vitest';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import { acceptorPlan } from '../support/model-session-acceptor.ts';
import { initiatorPlan } from '../support/model-session-initiator.ts';

const dialling = itinerary(initiatorPlan);
const listening = itinerary(acceptorPlan);

describe('a real session that dials is where its model is, step by step', () => {
  for (const { title, path } of dialling.cases) it(title, () => follow(initiatorPlan, path));

  it('on every path of the model but those listed', () => {
    expect(dialling.cut).toEqual(dialling.expectedCut);
    expect(dialling.total).toBe(219);
  });
});

describe('a real session that listens is where its model is, step by step', () => {
  for (const { title, path } of listening.cases) it(title, () => follow(acceptorPlan, path));

  it('on every path of the model but those listed', () => {
    expect(listening.cut).toEqual(listening.expectedCut);
    expect(listening.total).toBe(90);
  });
});

it('both sides together leave out of the chart only what guards against a dial that fails when nobody dials', () => {
  expect(dialling.uncovered.filter((item) => listening.uncovered.includes(item))).toEqual(['transition * ── dialFailed ─▶ closed']);
});

describe.each([
  { side: 'dials', plan: initiatorPlan },
  { side: 'listens', plan: acceptorPlan },
])('a real session that $side is where its model is on random ways, which come back to its states', ({ plan }) => {
  for (const { title, path } of strolls(plan, 100)) it(title, () => follow(plan, path));
});
