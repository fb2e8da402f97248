import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { websocket } from 'statewire/websocket';
import { WebSocket as WebSocketOfWs, WebSocketServer } from 'ws';
import { DEFAULT_MAX_PAYLOAD, PayloadTooLargeError } from '../../src/transport/link.ts';
import type { Link } from '../../src/transport/link.ts';
import { dialBrowserWebSocket } from '../../src/transport/websocket-browser.ts';
import { connectPair, linkConformance, record } from '../support/links.ts';
import type { Recorder } from '../support/links.ts';

const url = ({ host, port, path }: { host: string; port: number; path: string }): URL => new URL(`ws://${host}:${port}${path}`);

linkConformance(
  'websocket',
  (limits) => connectPair(websocket({ port: 0 }), (address) => websocket({ url: url(address) }), limits),
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

linkConformance(
  'websocket, from a browser',
  (limits) =>
    connectPair(
      websocket({ port: 0 }),
      (address) => ({
        connect: (signal, own) => {
          const make = (): WebSocket => new WebSocketOfWs(url(address), { perMessageDeflate: false }) as unknown as WebSocket;
          return dialBrowserWebSocket(make, { url: url(address), maxPayload: own?.maxPayload ?? DEFAULT_MAX_PAYLOAD, signal });
        },
      }),
      limits,
    ),
  { tellsAbort: true, slowReaders: ['acceptor'] },
  { describe, expect, it },
);

const never = new AbortController().signal;

/** A link whose peer is a bare WebSocket. */
async function withBareClient(run: (socket: WebSocketOfWs, link: Link, recorder: Recorder) => Promise<void>): Promise<void> {
  let accepted: (link: Link) => void = () => {};
  const made = new Promise<Link>((resolve) => (accepted = resolve));
  const listening = await websocket({ port: 0 }).listen((link) => accepted(link));
  const socket = new WebSocketOfWs(url(listening.address));
  socket.on('error', () => {});
  const [link] = await Promise.all([made, once(socket, 'open')]);
  try {
    await run(socket, link, record(link));
  } finally {
    socket.terminate();
    link.abort();
    await listening.close();
  }
}

describe('websocket', () => {
  it('[link.boundaries] sends binary messages without compression, all of one turn in one system call', async () => {
    const server = createServer((socket) =>
      socket.once('data', (request: Buffer) => {
        const key = /sec-websocket-key: (\S+)/i.exec(request.toString())?.[1] ?? '';
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        expect(request.toString()).not.toMatch(/permessage-deflate/i);
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      }),
    );
    server.listen(0, '127.0.0.1');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const link = await websocket({ url: `ws://127.0.0.1:${port}/` }).connect(never);
    record(link);
    const [socket] = await accepted;
    for (let count = 0; count < 50; count++) link.send(new Uint8Array(10));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    // Each is a header of two bytes that says "binary, final", a mask of four, and the payload.
    expect(bytes.byteLength).toBe(50 * (2 + 4 + 10));
    expect(bytes[0]).toBe(0x82);
    link.abort();
    socket.destroy();
    server.close();
  });

  it('a text message ends the link with an error', async () => {
    await withBareClient(async (socket, _link, recorder) => {
      socket.send(Uint8Array.of(1));
      socket.send('hello');
      socket.send(Uint8Array.of(2));
      expect(await recorder.closed()).toEqual([expect.objectContaining({ message: expect.stringContaining('text message') as string })]);
      expect(recorder.messages).toEqual([Uint8Array.of(1)]);
    });
  });

  it.each([
    [1000, 'ends it', undefined],
    [undefined, 'ends it', undefined],
    [1001, 'is an error', 'the link was lost: the WebSocket closed with code 1001 (going)'],
    [4000, 'is an error', 'the link was lost: the WebSocket closed with code 4000 (going)'],
  ])('[link.close] a close with code %s by the peer %s', async (code, _what, message) => {
    await withBareClient(async (socket, _link, recorder) => {
      if (code === undefined) socket.close();
      else socket.close(code, 'going');
      expect(await recorder.closed()).toEqual([message === undefined ? undefined : expect.objectContaining({ message })]);
    });
  });

  it('[link.limit] refuses a message from its header: nothing of it needs to come', async () => {
    await withBareClient(async (socket, link, recorder) => {
      link.limitInbound?.(64 * 1024);
      // The header of a masked binary frame that announces 1 MiB.
      (socket as unknown as { _socket: Socket })._socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4]));
      expect(await recorder.closed()).toEqual([expect.any(PayloadTooLargeError)]);
    });
  });

  it('takes only its own path, and answers others 404', async () => {
    const listening = await websocket({ port: 0, path: '/rpc' }).listen((link) => record(link));
    const { host, port } = listening.address;
    expect(listening.address).toEqual({ host: '127.0.0.1', port: expect.any(Number), path: '/rpc' });
    await expect(websocket({ url: `ws://${host}:${port}/other` }).connect(never)).rejects.toThrow('404');
    const link = await websocket({ url: `ws://${host}:${port}/rpc?tenant=7` }).connect(never);
    link.abort();
    expect((await fetch(`http://${host}:${port}/rpc`)).status).toBe(426);
    await listening.close();
  });

  it('shares a server of the user’s, waits until it listens, leaves other paths to others and does not close it', async () => {
    const server = createHttpServer((_request, response) => response.end('still here'));
    const links: Link[] = [];
    const listeningLater = websocket({ server, path: '/rpc' }).listen((link) => links.push(link));
    const other = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, stream, head) => {
      if (request.url === '/other') other.handleUpgrade(request, stream, head, (socket) => socket.send('other'));
    });
    server.listen(0, '127.0.0.1');
    const { address, close } = await listeningLater;
    const link = await websocket({ url: url(address) }).connect(never);
    const otherSocket = new WebSocketOfWs(`ws://127.0.0.1:${address.port}/other`);
    expect(String((await once(otherSocket, 'message'))[0])).toBe('other');
    otherSocket.terminate();
    await close();
    expect(await (await fetch(`http://127.0.0.1:${address.port}/`)).text()).toBe('still here');
    const receiver = record(links[0] as Link);
    link.send(Uint8Array.of(5));
    expect(await receiver.received(1)).toEqual([Uint8Array.of(5)]);
    link.abort();
    links[0]?.abort();
    server.closeAllConnections();
    server.close();
  });

  it('tells facts without secrets', async () => {
    let accepted: (link: Link) => void = () => {};
    const made = new Promise<Link>((resolve) => (accepted = resolve));
    const listening = await websocket({ port: 0 }).listen((link) => accepted(link));
    const headers = { authorization: 'Bearer secret', cookie: 'session=secret', 'x-tenant': 'seven' };
    const socket = new WebSocketOfWs(url(listening.address), { headers, origin: 'https://example.org' });
    const [{ facts }] = await Promise.all([made, once(socket, 'open')]);
    expect(facts).toMatchObject({ transport: 'websocket', url: '/', origin: 'https://example.org', headers: { 'x-tenant': 'seven' } });
    expect(JSON.stringify(facts)).not.toContain('secret');
    socket.terminate();
    const withPassword = url(listening.address);
    withPassword.username = 'me';
    withPassword.password = 'secret';
    const link = await websocket({ url: withPassword }).connect(never);
    expect(link.facts['url']).toBe(url(listening.address).href);
    link.abort();
    await listening.close();
  });

  it.each(['before', 'during'] as const)('rejects with the reason of a signal that aborts %s connecting, and leaves no socket', async (when) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('connection', (socket) => socket.on('error', () => {}).resume());
    const controller = new AbortController();
    if (when === 'before') controller.abort(new Error('too late'));
    const connecting = websocket({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` }).connect(controller.signal);
    connecting.catch(() => {});
    if (when === 'during') await once(server, 'connection');
    controller.abort(new Error('too late'));
    await expect(connecting).rejects.toThrow('too late');
    await new Promise((resolve) => server.close(resolve));
  });

  it('rejects when nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await expect(websocket({ url: `ws://127.0.0.1:${port}` }).connect(never)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('websocket, from a browser', () => {
  it('connects without ws, by the WebSocket of the platform', async () => {
    const listening = await websocket({ port: 0 }).listen((link) => {
      link.open({ message: (payload) => link.send(payload), drain() {}, close() {} });
    });
    const client = fileURLToPath(new URL('../support/browser-client.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', '--experimental-websocket', client, url(listening.address).href], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output: Buffer[] = [];
    for await (const chunk of child.stdout) output.push(chunk as Buffer);
    expect(Buffer.concat(output).toString()).toBe('1,2,3 graceful, ws not loaded\n');
    await listening.close();
  });

  it('rejects when it cannot connect, and when its signal aborts', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const make = (): WebSocket => new WebSocketOfWs(address) as unknown as WebSocket;
    const controller = new AbortController();
    const aborted = dialBrowserWebSocket(make, { url: address, maxPayload: 1_000, signal: controller.signal });
    controller.abort(new Error('too late'));
    await expect(aborted).rejects.toThrow('too late');
    server.close();
    await expect(dialBrowserWebSocket(make, { url: address, maxPayload: 1_000, signal: never })).rejects.toThrow('code 1006');
  });
});
