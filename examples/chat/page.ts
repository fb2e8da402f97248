/** The chat room's page: joins, shows what happens, says what is typed. server.ts bundles it; it runs in a browser. */
import { channel, connect, RpcError } from 'statewire';
import { websocket } from 'statewire/websocket';
import { Chat } from './contract.ts';
import type { Message } from './contract.ts';

const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [join, say] = [find<HTMLFormElement>('join'), find<HTMLFormElement>('say')];

function show(line: string): void {
  find('messages').appendChild(document.createElement('li')).textContent = line;
}

function showMessage(message: Message): void {
  if (message.kind === 'said') return show(`${message.name}: ${message.text}`);
  show(`${message.name} ${message.kind}`);
  find('members').textContent = message.members.join(', ');
}

async function enter(name: string): Promise<void> {
  const session = await connect(websocket({ url: `ws://${location.host}/rpc` }));
  const room = session.client(Chat);
  // The room sends at most 64 messages more than this page has shown.
  const [out, messages] = channel<Message>({ credit: 64 });
  await room.join({ name, messages: out });
  join.hidden = true;
  say.hidden = false;
  say.onsubmit = (event) => {
    event.preventDefault();
    const text = String(new FormData(say).get('text'));
    say.reset();
    room.say({ text }).catch(complain);
  };
  for await (const message of messages) showMessage(message);
}

function complain(error: unknown): void {
  show(error instanceof RpcError ? `${error.kind}: ${error.reason ?? error.message}` : String(error));
}

join.onsubmit = (event) => {
  event.preventDefault();
  enter(String(new FormData(join).get('name'))).catch(complain);
};
