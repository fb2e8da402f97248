/** What a soak came to, for people. */
import type { SoakOptions, SoakResult } from './run.ts';

/** How many breaches are told in full. */
const TOLD_BREACHES = 20;

const sumOf = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

export function printReport({ seed, storeKind }: SoakOptions, result: SoakResult): void {
  const { asked, seconds, cuts, calls, streams, streamRestarts, counters, heapGrowth, breaches } = result;
  console.log(`${asked} calls in ${seconds.toFixed(1)} s, ${sumOf(cuts)} cuts, ${storeKind} store, seed ${seed}`);
  console.log('\ncalls by policy and outcome');
  console.table(calls);
  console.log(`callers' ends of channels; streams begun again: ${streamRestarts}`);
  console.table(streams);
  console.log('cuts');
  console.table(cuts);
  console.log('counters of all sessions');
  console.table(counters);
  console.log(`heap between the rests: initiator ${kibibytes(heapGrowth.initiator)}, acceptor ${kibibytes(heapGrowth.acceptor)}`);
  if (breaches.length === 0) console.log('no rule was broken');
  for (const breach of breaches.slice(0, TOLD_BREACHES)) console.error(`BREACH: ${breach}`);
  if (breaches.length > TOLD_BREACHES) console.error(`… and ${breaches.length - TOLD_BREACHES} breaches more`);
}

const kibibytes = (bytes: number): string => `${bytes > 0 ? '+' : ''}${Math.round(bytes / 1024)} KiB`;
