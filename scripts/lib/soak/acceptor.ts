/** The listening process of the soak. Its arguments are those of `AcceptorArguments`, as JSON; it answers its parent over the IPC channel. */
import { listen } from 'statewire';
import type { Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import type { TrialClient } from '../../../src/testing/trial/calling.ts';
import type { SoakPeer } from './caller.ts';
import { Trial } from '../../../src/testing/trial/contract.ts';
import { watchRuntime } from './left-over.ts';
import { soakService } from './service.ts';
import { LIMITS } from './settings.ts';
import { Side } from './side.ts';
import type { AcceptorArguments, Question } from './settings.ts';
import { makeStore } from './stores.ts';

const { seed, intents, atOnce, storeKind } = JSON.parse(process.argv[2] ?? '') as AcceptorArguments;

watchRuntime();
const { store, dispose } = await makeStore(storeKind);
const side = new Side({ role: 'acceptor', seed, intents, atOnce, store });
const service = soakService(side.records, seed);
/** Of sessions whose standing connections are not all open yet. */
const opening = new Map<Session, { -readonly [K in keyof SoakPeer['clients']]?: TrialClient }>();

const server = await listen(tcp({ port: 0 }), {
  ...LIMITS,
  services: [service],
  store,
  log: side.log,
  onConnection: (request) => {
    const connection = request.accept({ services: [service], maxConcurrentRequests: LIMITS.maxConcurrentRequests });
    const place = request.metadata.get('place');
    if (place !== 'first' && place !== 'second') return;
    const clients = opening.get(request.session);
    if (clients !== undefined) clients[place] = connection.client(Trial);
  },
  onSession: (session) => {
    opening.set(session, { root: session.client(Trial) });
  },
});

/** In the order they came: all that are open now take part. */
function gatherPeers(): number {
  for (const [session, { root, first, second }] of opening) {
    if (root === undefined || first === undefined || second === undefined) continue;
    side.peers.push({ session, clients: { root, first, second } });
    opening.delete(session);
  }
  return side.peers.length;
}

async function close(): Promise<unknown> {
  await server.close();
  await dispose();
  return side.leftAtEnd();
}

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'peers':
      return gatherPeers();
    case 'run':
      return side.run(question.from, question.to);
    case 'rest':
      return side.rest();
    case 'report':
      return side.report();
    case 'sessions':
      return server.sessions.size;
    case 'close':
      return close();
  }
}

process.on('message', (question: Question) => void answer(question).then((answered) => process.send?.({ answered })));
process.once('disconnect', () => process.exit());
process.send?.({ answered: server.address.port });
