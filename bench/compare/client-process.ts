/** The process of one peer's client: connected to its server, it does the workloads' tasks as it is told, and checks what is answered. */
import { entryOf } from './peers/index.ts';
import { answerQuestions, settledHeap, usage } from './protocol.ts';
import type { ClientSide, Task } from './task.ts';
import { TASKS } from './workloads/tasks.ts';

const [name = '', port = '0'] = process.argv.slice(2);
const peer = await entryOf(name).load();
const client = await peer.connect(Number(port));
const side: ClientSide = { peer, port: Number(port), client };
const tasks: Readonly<Record<string, Task>> = TASKS;

answerQuestions((name, params) => {
  if (name === 'usage') return usage();
  if (name === 'heap') return settledHeap();
  if (name === 'close') return client.close();
  const task = tasks[name];
  if (task === undefined) throw new TypeError(`a client is not asked to '${name}'`);
  return task(side, params as never);
});
