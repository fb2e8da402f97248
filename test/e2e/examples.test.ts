/** The examples, run as their first lines say. */
import { expect, it } from 'vitest';
import { failureOf } from '../support/peers.ts';
import { enterRoom, read, startChat } from '../support/chat.ts';
import { run } from '../support/command.ts';

const TIMEOUT_MS = 60_000;

it('examples/hello.ts calls a method over TCP and shows its declared failure', { timeout: TIMEOUT_MS }, async () => {
  expect(await run('examples/hello.ts')).toEqual({ code: 0, stdout: 'Hello, Ada!\nrefused: nobody\n', stderr: '' });
});

it('examples/operation-ids.ts joins a duplicate, replays an outcome, and runs each operation once', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout, stderr } = await run('examples/operation-ids.ts');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n')).toEqual([
    'server: runs order-1',
    'client: number 1, one teapot; and its duplicate: number 1, one teapot',
    'client: asked again later: number 1, one teapot',
    'server: runs order-2',
    'client: another order: number 2, one teapot',
    'server: 2 run, 1 joined, 1 replayed',
  ]);
});

it('examples/upload.ts streams a file to a server, which reports how far it is', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout, stderr } = await run('examples/upload.ts');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const tenths = Array.from({ length: 10 }, (_, tenth) => `${10 * (tenth + 1)} %`);
  expect(stdout.trimEnd().split('\n')).toEqual([...tenths, 'uploaded sample.bin: 1000000 bytes, and the same SHA-256 on both sides']);
});

it('examples/log-tail.ts follows a log until its reader leaves the loop', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout, stderr } = await run('examples/log-tail.ts');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const lines = Array.from({ length: 5 }, (_, line) => `request ${line + 1} served`);
  expect(stdout.trimEnd().split('\n')).toEqual([...lines, 'server: nobody reads any more (reset), the log is closed']);
});

it('examples/model-test.ts finds a service to be what its model says, over a network that fails', { timeout: TIMEOUT_MS }, async () => {
  const { code, stdout, stderr } = await run('examples/model-test.ts');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^50 seeds, 1,500 calls, 1\d{3} links lost: the stock is what the model says\n$/);
});

it('examples/chat gives out its page and script, and tells members who joins, speaks and leaves', { timeout: TIMEOUT_MS }, async () => {
  const { url, stop } = await startChat();
  const answers = await Promise.all(['', 'page.js', 'server.ts'].map((path) => fetch(new URL(path, url))));
  expect(answers.map(({ status, headers }) => [status, headers.get('content-type')])).toEqual([
    [200, 'text/html'],
    [200, 'text/javascript'],
    [404, 'text/plain'],
  ]);

  const ada = await enterRoom(url, 'Ada', 16);
  const bob = await enterRoom(url, 'Bob', 16);
  await ada.chat.say({ text: 'Hello, Bob' });
  await bob.chat.say({ text: 'Hello, Ada' });
  await bob.leave();
  expect(await read(ada.messages, 5)).toEqual(['Ada joined (Ada)', 'Bob joined (Ada, Bob)', 'Ada: Hello, Bob', 'Bob: Hello, Ada', 'Bob left (Ada)']);
  const cyd = await enterRoom(url, 'Cyd', 16);
  cyd.messages.reset();
  await cyd.chat.say({ text: 'I heard enough' });
  expect(await read(ada.messages, 3)).toEqual(['Cyd joined (Ada, Cyd)', 'Cyd: I heard enough', 'Cyd left (Ada)']);
  expect(await stop()).toMatchObject({ code: 0, stderr: '' });
});

it('examples/chat shows a member out who does not read, and the others notice nothing', { timeout: TIMEOUT_MS }, async () => {
  const { url } = await startChat();
  const slow = await enterRoom(url, 'Slow', 2);
  const ada = await enterRoom(url, 'Ada', 256);
  // Two have used the credit up, 64 wait: one more is too much.
  const texts = Array.from({ length: 65 }, (_, index) => `message ${index}`);
  for (const text of texts) await ada.chat.say({ text });
  expect(await read(ada.messages, 67)).toEqual(['Ada joined (Slow, Ada)', ...texts.map((text) => `Ada: ${text}`), 'Slow left (Ada)']);
  expect(await read(slow.messages, 2)).toEqual(['Slow joined (Slow)', 'Ada joined (Slow, Ada)']);
  expect(await failureOf(slow.messages.recv())).toMatchObject({ kind: 'channel-reset', data: 'too slow' });
  await expect(slow.chat.say({ text: 'Wait' })).rejects.toMatchObject({ kind: 'user', data: { code: 'not-joined' } });
});
