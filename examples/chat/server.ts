/**
 * A chat room over WebSocket: `npx tsx examples/chat/server.ts [port]`, then open the address it prints in two tabs.
 * One HTTP server gives out the page and its script (page.ts, bundled here) and takes the WebSockets.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { implement, listen } from 'statewire';
import type { Tx } from 'statewire';
import { websocket } from 'statewire/websocket';
import { Chat } from './contract.ts';
import type { Message } from './contract.ts';

interface Member {
  readonly name: string;
  readonly messages: Tx<Message>;
  /** Messages that wait for the member's credit. */
  waiting: number;
}

/** Who is in the room, by session. */
const room = new Map<string, Member>();
const members = () => Array.from(room.values(), ({ name }) => name);
const MAX_WAITING = 64;

/**
 * Tells everybody, and waits for nobody. `send` waits while a member has not read what was sent before (its channel's credit is used up) or its network
 * stands still. So many messages may wait; one more, and the room shows the member out: it never has to keep more, and the others notice nothing.
 */
function tell(message: Message): void {
  for (const [id, member] of room) {
    const sent = member.waiting++ < MAX_WAITING ? member.messages.send(message) : Promise.reject(new Error('too slow'));
    // `send` rejects when the member has reset its channel or its connection is lost.
    sent.then(
      () => member.waiting--,
      (error: Error) => leave(id, error.message),
    );
  }
}

function leave(id: string, reason: string): void {
  const member = room.get(id);
  if (member === undefined) return;
  room.delete(id);
  // The member's loop throws, with the reason; where the member itself has gone, this does nothing.
  member.messages.reset(reason);
  tell({ kind: 'left', name: member.name, members: members() });
}

const chat = implement(Chat, {
  join({ name, messages }, { session }) {
    leave(session.id, 'joined again');
    room.set(session.id, { name, messages, waiting: 0 });
    tell({ kind: 'joined', name, members: members() });
  },
  say({ text }, call) {
    const member = room.get(call.session.id);
    if (member === undefined) return call.fail({ code: 'not-joined' });
    tell({ kind: 'said', name: member.name, text });
  },
});

const script = await build({
  entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
  bundle: true,
  format: 'esm',
  write: false,
});
const files = new Map([
  ['/', { type: 'text/html', body: await readFile(new URL('index.html', import.meta.url)) }],
  ['/page.js', { type: 'text/javascript', body: script.outputFiles[0]?.contents }],
]);
const http = createServer((request, response) => {
  const file = files.get(request.url ?? '');
  response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain' }).end(file?.body);
});
http.listen(Number(process.argv[2] ?? 8080), '127.0.0.1');
await once(http, 'listening');

const server = await listen(websocket({ server: http, path: '/rpc' }), {
  services: [chat],
  maxPayload: 64 * 1024,
  // Who closes the tab has left: nobody is waited for.
  resume: false,
  onSession: (session) => void session.closed.then(() => leave(session.id, 'gone')),
});
console.log(`chat room: http://127.0.0.1:${(http.address() as AddressInfo).port}/`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await server.close();
    http.close();
    http.closeAllConnections();
  });
}
