/** What an item costs when 10,000 channels are open on its connection, and goes over one of them or in turn over all, against one channel open. */
import { channel, connect } from 'statewire';
import type { Session, Tx } from 'statewire';
import { tcp } from 'statewire/tcp';
import { startServer } from './child.ts';
import { ITEMS, Streams } from './contract.ts';
import { round } from './figures.ts';
import { atMost } from './report.ts';
import type { Report, Settings } from './report.ts';
import { compare, cpuColumns, cpuTotal, ratio } from './rounds.ts';
import type { Contender, Result } from './rounds.ts';

const MANY = 10_000;
/** Divides among the channels in whole runs. */
const COUNT = 320_000;
/** The same for each channel. */
const CREDIT = 1_024;
/** Items a stream has to say at a time: the default credit. */
const RUN = 16;
const MOST_RATIO = 1.25;

async function openChannels(session: Session, count: number): Promise<Tx<unknown>[]> {
  const client = session.client(Streams);
  const ends = Array.from({ length: count }, () => channel<unknown>({ credit: CREDIT }));
  await Promise.all(ends.map(([, items]) => client.open({ items })));
  return ends.map(([tx]) => tx);
}

/** Over all channels in turn, so many items a time; settles when the server has taken all. */
async function produce(session: Session, channels: readonly Tx<unknown>[], run: number): Promise<void> {
  for (let sent = 0, at = 0; sent < COUNT; sent += run, at = (at + 1) % channels.length) {
    const tx = channels[at] as Tx<unknown>;
    for (let item = 0; item < run; item++) await tx.send(ITEMS.small);
  }
  await session.client(Streams).taken(COUNT);
}

export async function many({ rounds }: Settings): Promise<Report> {
  const options = { maxQueuedRequests: MANY };
  // A server each, so that what the 10,000 hold does not slow the collections of the one.
  const few = await startServer('streams');
  const lots = await startServer('streams');
  const sessions = await Promise.all([few, lots].map(({ port }) => connect(tcp({ port }), options)));
  const [fewSession, lotsSession] = sessions as [Session, Session];
  const one = await openChannels(fewSession, 1);
  const all = await openChannels(lotsSession, MANY);
  const contender = (name: string, others: Contender['others'], work: Contender['work']): Contender => ({ name, count: COUNT, others, work });
  const contenders = [
    contender('1 open', { server: few }, () => produce(fewSession, one, RUN)),
    contender(`${MANY} open, 1 used`, { server: lots }, () => produce(lotsSession, all.slice(0, 1), RUN)),
    contender(`${MANY} open, all used, ${RUN} items each in turn`, { server: lots }, () => produce(lotsSession, all, RUN)),
    contender(`${MANY} open, all used, 1 item each in turn`, { server: lots }, () => produce(lotsSession, all, 1)),
  ];
  const [base, ...others] = (await compare(contenders, rounds)) as [Result, ...Result[]];
  await Promise.all(sessions.map((session) => session.close()));
  await Promise.all([few.stop(), lots.stop()]);

  return {
    title: `channels open on one connection, credit ${CREDIT} each, ${COUNT} small items a round`,
    rows: [base, ...others].map((result) => ({
      channels: result.name,
      'items/s': round(result.cost.perSecond),
      'wall µs': round(result.cost.wallMicros, 2),
      'CPU of 1 open': round(ratio(result, base, cpuTotal), 2),
      ...cpuColumns(result.cost),
    })),
    // The last one is shown and not judged: bare promises, with nothing around them, cost four times as much when 10,000 wait for an item each.
    bounds: others.slice(0, -1).flatMap((result) => [
      atMost(`${result.name} / ${base.name}, CPU per item`, ratio(result, base, cpuTotal), MOST_RATIO),
      atMost(
        `${result.name} / ${base.name}, wall per item`,
        ratio(result, base, ({ wallMicros }) => wallMicros),
        MOST_RATIO,
      ),
    ]),
  };
}
