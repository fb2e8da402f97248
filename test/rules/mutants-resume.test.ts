/** What only a mutant showed that no test saw, of a lost link and the next one (docs/mutants.md). */
import { describe, expect, it } from 'vitest';
import type { SessionStatus } from 'statewire';
import { Lab } from '../support/peers.ts';
import { resumePeers, SIDES } from '../support/resume-peers.ts';

describe.each(SIDES)('calls of the %s', (side) => {
  it('[resume.order] the generation is published before any of them is sent again', async () => {
    const peers = await resumePeers();
    const session = peers.sessionOf(side);
    const callee = side === 'initiator' ? 'acceptor' : 'initiator';
    const outcome = session.client(Lab).run('x');
    await peers.settle();
    await peers.cut();
    const seen: [status: SessionStatus, generation: number, resent: number][] = [];
    session.status$.subscribe((status) => seen.push([status, session.generation, session.counters.resent]));
    await peers.comeBack();
    expect(seen.at(-1)).toEqual(['connected', 2, 0]);
    expect(session.counters.resent).toBe(1);
    peers.runsAt[callee][0]?.resolve('y');
    expect(await outcome).toBe('y');
  });
});
