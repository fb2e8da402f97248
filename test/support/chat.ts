/** The chat room of examples/chat in a process of its own, and members of it that need no browser. Both end with the test. */
import { onTestFinished } from 'vitest';
import { channel, connect } from 'statewire';
import type { Client, Rx } from 'statewire';
import { websocket } from 'statewire/websocket';
import { Chat } from '../../examples/chat/contract.ts';
import type { Message } from '../../examples/chat/contract.ts';
import { start } from './command.ts';
import type { Finished } from './command.ts';

export interface ChatServer {
  /** With a slash at its end. */
  readonly url: string;
  /** Asks it to stop; settles with how it did. */
  readonly stop: () => Promise<Finished>;
}

export async function startChat(): Promise<ChatServer> {
  const server = start('examples/chat/server.ts', '0');
  onTestFinished(() => server.signal('SIGKILL'));
  const [, url = ''] = await server.prints(/^chat room: (http:\S+)$/m);
  const stop = (): Promise<Finished> => {
    server.signal('SIGTERM');
    return server.finished;
  };
  return { url, stop };
}

export interface Guest {
  readonly chat: Client<typeof Chat>;
  readonly messages: Rx<Message>;
  readonly leave: () => Promise<void>;
}

/** Joins as a page does. */
export async function enterRoom(url: string, name: string, credit: number): Promise<Guest> {
  const session = await connect(websocket({ url: new URL('/rpc', url.replace('http', 'ws')) }));
  onTestFinished(() => session.close());
  const chat = session.client(Chat);
  const [out, messages] = channel<Message>({ credit });
  await chat.join({ name, messages: out });
  return { chat, messages, leave: () => session.close() };
}

/** The next messages, as a page shows them. */
export async function read(messages: Rx<Message>, count: number): Promise<string[]> {
  const shown: string[] = [];
  while (shown.length < count) {
    const { value, done } = await messages.recv();
    if (done === true) throw new Error(`the messages ended after ${shown.join(', ')}`);
    shown.push(value.kind === 'said' ? `${value.name}: ${value.text}` : `${value.name} ${value.kind} (${value.members.join(', ')})`);
  }
  return shown;
}
