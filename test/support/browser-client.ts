/** A browser, as far as a connector can tell: a WebSocket of the platform and no Node. Run in a process of its own by test/transports/websocket.test.ts. */
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { websocket } from '../../src/websocket.ts';

const address = process.argv[2] as string;
// Kept for the end: what is loaded from here on is what a browser would load.
const node = process;
Object.defineProperty(globalThis, 'process', { value: undefined, configurable: true });
const link = await websocket({ url: address }).connect(new AbortController().signal);
let echoed = '';
link.open({
  message(payload) {
    echoed = [...payload].join(',');
    link.close();
  },
  drain() {},
  close(error) {
    Object.defineProperty(globalThis, 'process', { value: node });
    const isWsLoaded = Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/ws/lib/'));
    writeSync(1, `${echoed} ${error === undefined ? 'graceful' : error.message}, ws ${isWsLoaded ? 'loaded' : 'not loaded'}\n`);
  },
});
link.send(Uint8Array.of(1, 2, 3));
