/** How long a graceful close may take, on a link that moves bytes when the test says so. */
import { describe, expect, it } from 'vitest';
import { SimulatedClock } from 'statewire/testing';
import { BaseLink, CLOSE_TIMEOUT_MS } from '../../src/transport/base-link.ts';
import { record, turns } from '../support/links.ts';

class ScriptedLink extends BaseLink {
  readonly facts = {};
  readonly calls: string[] = [];
  movedBytes = 0;

  protected start(): void {}
  protected transmit(): boolean {
    return true;
  }
  protected finishSending(): void {
    this.calls.push('finishSending');
  }
  protected destroy(): void {
    this.calls.push('destroy');
  }
  protected progress(): number {
    return this.movedBytes;
  }
  finish(): void {
    this.settle();
  }
}

describe('BaseLink', () => {
  it('[link.close] gives up a graceful close in which nothing moves', async () => {
    const clock = new SimulatedClock();
    const link = new ScriptedLink(100, clock);
    const recorder = record(link);
    link.close();
    await clock.advance(CLOSE_TIMEOUT_MS - 1);
    expect(link.calls).toEqual(['finishSending']);
    await clock.advance(1);
    expect(link.calls).toEqual(['finishSending', 'destroy']);
    const message = 'the peer did not finish closing the link within 30000 ms';
    expect(await recorder.closed()).toEqual([expect.objectContaining({ message })]);
  });

  it('[link.close] waits for a slow graceful close as long as something moves', async () => {
    const clock = new SimulatedClock();
    const link = new ScriptedLink(100, clock);
    const recorder = record(link);
    link.close();
    for (let round = 0; round < 5; round++) {
      link.movedBytes++;
      await clock.advance(CLOSE_TIMEOUT_MS);
    }
    expect(recorder.closes).toEqual([]);
    link.finish();
    expect([recorder.closes, clock.pending]).toEqual([[undefined], 0]);
    link.finish();
    link.abort();
    await turns(1);
    expect(recorder.closes).toEqual([undefined]);
  });
});
