/** A thread that echoes every payload on the links it gets over its parent's port. Run by test/transports/message-port.test.ts. */
import { parentPort } from 'node:worker_threads';
import { messagePort } from '../../src/memory.ts';

if (parentPort === null) throw new Error('this module is for a worker thread');
const port = parentPort;
const listening = await messagePort(port).listen((link) => {
  link.open({ message: (payload) => void link.send(payload), drain() {}, close() {} });
});
port.once('message', function stop(message: unknown): void {
  if (message === 'stop listening') void listening.close();
  else port.once('message', stop);
});
