/** The process of one peer's server: serves what its argument names, and tells of its own use of CPU and heap. */
import { entryOf } from './peers/index.ts';
import { aboutOf, answerQuestions, settledHeap, usage } from './protocol.ts';

const peer = await entryOf(process.argv[2] ?? '').load();
const server = await peer.serve();

answerQuestions((task) => {
  switch (task) {
    case 'about':
      return { ...aboutOf(peer), port: server.port };
    case 'usage':
      return usage();
    case 'heap':
      return settledHeap();
    case 'close':
      return server.close();
    default:
      throw new TypeError(`a server is not asked to '${task}'`);
  }
});
