/**
 * A server follows a growing log through a channel for as long as somebody reads. The client leaves its loop early; that resets the
 * channel, and the server stops. Run it: `npx tsx examples/log-tail.ts`
 */
import { appendFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval as every, setTimeout as wait } from 'node:timers/promises';
import { channel, connect, defineService, implement, listen, method, RpcError } from 'statewire';
import type { Tx } from 'statewire';
import { tcp } from 'statewire/tcp';

const Logs = defineService('Logs', {
  tail: method<{ lines: Tx<string> }>(),
});

const LOOK_EVERY_MS = 10;

const directory = await mkdtemp(join(tmpdir(), 'statewire-log-'));
const path = join(directory, 'server.log');
await writeFile(path, '');

/** The lines of the log, those there and those to come, until nobody wants them. */
async function* follow(isWanted: () => boolean): AsyncGenerator<string> {
  const log = await open(path);
  const decoder = new TextDecoder();
  let rest = '';
  try {
    while (isWanted()) {
      const { buffer, bytesRead } = await log.read({ buffer: new Uint8Array(4_096) });
      if (bytesRead === 0) await wait(LOOK_EVERY_MS);
      const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    await log.close();
  }
}

const logs = implement(Logs, {
  async tail({ lines }) {
    try {
      // `send` waits for a reader that is slower than the log. A reader who has gone is seen in the status, and by a `send`, which then rejects.
      for await (const line of follow(() => lines.status === 'ready' || lines.status === 'starved')) await lines.send(line);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
    }
    console.log(`server: nobody reads any more (${lines.status}), the log is closed`);
  },
});

const server = await listen(tcp({ port: 0 }), { services: [logs] });
const session = await connect(tcp(server.address));

/** What happens on the server meanwhile. */
const stopped = new AbortController();
async function work(): Promise<void> {
  let requests = 0;
  for await (const _tick of every(5, undefined, { signal: stopped.signal })) await appendFile(path, `request ${++requests} served\n`);
}
const working = work().catch((error: Error) => {
  if (error.name !== 'AbortError') throw error;
});

const [there, lines] = channel<string>();
const tailing = session.client(Logs).tail({ lines: there });
let shown = 0;
for await (const line of lines) {
  console.log(line);
  if (++shown === 5) break;
}
await tailing;

stopped.abort();
await working;
await session.close();
await server.close();
await rm(directory, { recursive: true });
