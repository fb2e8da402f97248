/** Sessions that somebody inspects for long. */
import { expect, it } from 'vitest';
import { connect, defineService, implement, listen, method } from 'statewire';
import { memoryNetwork } from 'statewire/memory';

const Echo = defineService('Echo', { echo: method<number, number>() });
const BATCH = 1_000;

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

it('[attempt.pipelined] keeps nothing of the calls that went by while inspectors looked on, and shows every one of them', async () => {
  const network = memoryNetwork();
  let seen = 0;
  const inspect = (event: { readonly type: string }): void => {
    if (event.type === '@xstate.actor') seen++;
  };
  const server = await listen(network.listener('echo'), { services: [implement(Echo, { echo: (input) => input })], inspect });
  const session = await connect(network.connector('echo'), { inspect });
  const client = session.client(Echo);
  const callOften = async (times: number): Promise<void> => {
    for (let from = 0; from < times; from += BATCH) {
      const answers = await Promise.all(Array.from({ length: BATCH }, (_, index) => client.echo(from + index)));
      expect(answers).toEqual(Array.from({ length: BATCH }, (_, index) => from + index));
    }
  };
  await callOften(3_000);
  const [before, seenBefore] = [heapBytes(), seen];
  await callOften(9_000);
  // Twice that was kept once: the parent's transition table had an entry for every child's end.
  expect(heapBytes() - before).toBeLessThan(9_000 * 400);
  // A request here, a response and an operation there.
  expect(seen - seenBefore).toBe(3 * 9_000);
  await session.close();
  await server.close();
}, 60_000);
