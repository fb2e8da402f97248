import { once } from 'node:events';
import { createServer, connect as connectSocket } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { tcp } from 'statewire/tcp';
import type { Link } from '../../src/transport/link.ts';
import { PayloadTooLargeError } from '../../src/transport/link.ts';
import { until } from '../support/raw-socket.ts';
import { Recorder, connectPair, linkConformance, pattern, record, turns } from '../support/links.ts';

linkConformance(
  'tcp',
  (limits) => connectPair(tcp({ port: 0 }), (address) => tcp(address), limits),
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

const never = new AbortController().signal;

/** A link whose peer is a bare socket. */
async function withBareClient(run: (socket: Socket, link: Link, recorder: Recorder) => Promise<void>, allowHalfOpen = false): Promise<void> {
  let accepted: (link: Link) => void = () => {};
  const made = new Promise<Link>((resolve) => (accepted = resolve));
  const listening = await tcp({ port: 0 }).listen((link) => accepted(link));
  const socket = connectSocket({ ...listening.address, allowHalfOpen });
  // How the link lets go of it is not the bare side's matter.
  socket.on('error', () => {});
  const link = await made;
  try {
    await run(socket, link, record(link));
  } finally {
    socket.destroy();
    link.abort();
    await listening.close();
  }
}

const frame = (payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(payload.byteLength);
  return Buffer.concat([header, payload]);
};

describe('tcp', () => {
  it('[link.boundaries] writes a 32-bit little-endian length before each payload', async () => {
    await withBareClient(async (socket, link) => {
      link.send(Uint8Array.of(1, 2, 3));
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      expect([...bytes]).toEqual([3, 0, 0, 0, 1, 2, 3]);
    });
  });

  it('leaves no handle when a link is aborted while its graceful close is under way', async () => {
    const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const before = sockets();
    const pair = await connectPair(tcp({ port: 0 }), (address) => tcp(address));
    record(pair.initiator);
    record(pair.acceptor);
    pair.initiator.close();
    pair.initiator.abort();
    await pair.dispose();
    await until(() => sockets() <= before);
  });

  it('sends all payloads of one turn in one system call', async () => {
    await withBareClient(async (socket, link) => {
      const sent = Array.from({ length: 100 }, (_, index) => pattern(index));
      for (const payload of sent) link.send(payload);
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      expect(bytes.equals(Buffer.concat(sent.map(frame)))).toBe(true);
    });
  });

  it('[link.close] answers the end of a half-open peer after what is still to be sent', async () => {
    await withBareClient(async (socket, link, recorder) => {
      socket.end(frame(pattern(9)));
      await recorder.received(1);
      link.send(pattern(3_000_000));
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).equals(frame(pattern(3_000_000)))).toBe(true);
      expect(await recorder.closed()).toEqual([undefined]);
    }, true);
  });

  it('[link.close] still receives after its own close, until the peer ends', async () => {
    await withBareClient(async (socket, link, recorder) => {
      link.close();
      socket.resume();
      await once(socket, 'end');
      socket.end(frame(pattern(77)));
      expect(await recorder.closed()).toEqual([undefined]);
      expect(recorder.messages).toEqual([pattern(77)]);
    }, true);
  });

  it.each([
    ['inside a header', Buffer.from([5, 0])],
    ['inside a payload', Buffer.from([5, 0, 0, 0, 1, 2])],
  ])('[link.close] an end %s is an error, not an end', async (_where, bytes) => {
    await withBareClient(async (socket, _link, recorder) => {
      socket.end(bytes);
      expect(await recorder.closed()).toEqual([expect.objectContaining({ message: 'the link ended in the middle of a payload' })]);
    });
  });

  it('[link.close] a reset by the peer is an error, told once', async () => {
    await withBareClient(async (socket, link, recorder) => {
      link.send(pattern(10));
      await once(socket, 'data');
      socket.resetAndDestroy();
      expect(await recorder.closed()).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    });
  });

  it('[link.limit] a length of 4 GiB closes the link before any of it has come', async () => {
    await withBareClient(async (socket, _link, recorder) => {
      socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
      const [error] = await recorder.closed();
      expect(error).toBeInstanceOf(PayloadTooLargeError);
      expect(error).toMatchObject({ byteLength: 0xffff_ffff });
    });
  });

  it('rejects with the system error when nobody listens, and it is not final', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const error = await tcp({ port })
      .connect(never)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
    expect(error).not.toHaveProperty('final');
  });

  it.each(['before', 'during'] as const)('rejects with the reason of a signal that aborts %s connecting, and leaves no socket', async (when) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('connection', (socket) => socket.on('error', () => {}));
    const controller = new AbortController();
    if (when === 'before') controller.abort(new Error('too late'));
    const connecting = tcp({ port: (server.address() as AddressInfo).port }).connect(controller.signal);
    const rejected = expect(connecting).rejects.toThrow('too late');
    if (when === 'during') {
      // The system has been asked to connect, and nothing has been told yet.
      for (let tick = 0; tick < 2; tick++) await new Promise<void>((resolve) => process.nextTick(resolve));
      controller.abort(new Error('too late'));
      await once(server, 'connection');
    }
    await rejected;
    // The server waits for its sockets: that it closes proves that none is left.
    await new Promise((resolve) => server.close(resolve));
  });

  it('a signal that aborts after connecting does nothing to the link', async () => {
    const controller = new AbortController();
    const pair = await connectPair(tcp({ port: 0 }), (address) => ({ connect: () => tcp(address).connect(controller.signal) }));
    const receiver = record(pair.acceptor);
    record(pair.initiator);
    controller.abort(new Error('too late'));
    pair.initiator.send(pattern(4));
    expect(await receiver.received(1)).toEqual([pattern(4)]);
    await pair.dispose();
  });

  it('closing the listener resolves while links live, keeps them, and takes no new ones', async () => {
    const links: Link[] = [];
    const listening = await tcp({ port: 0 }).listen((link) => links.push(link));
    const initiator = await tcp(listening.address).connect(never);
    const sender = record(initiator);
    while (links.length === 0) await turns(1);
    await listening.close();
    await listening.close();
    await expect(tcp(listening.address).connect(never)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const again = await tcp(listening.address).listen(() => {});
    await again.close();
    record(links[0] as Link);
    links[0]?.send(pattern(6));
    expect(await sender.received(1)).toEqual([pattern(6)]);
    initiator.close();
    expect(await sender.closed()).toEqual([undefined]);
  });

  it('says that a port is taken', async () => {
    const listening = await tcp({ port: 0 }).listen(() => {});
    await expect(tcp(listening.address).listen(() => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await listening.close();
  });

  it('knows who is there', async () => {
    const pair = await connectPair(tcp({ port: 0 }), (address) => tcp(address));
    expect(pair.acceptor.facts).toMatchObject({ transport: 'tcp', remoteAddress: '127.0.0.1', remotePort: expect.any(Number) });
    await pair.dispose();
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 32])('refuses %d as maxPayload', (maxPayload) => {
    expect(() => tcp({ port: 0, maxPayload })).toThrow(RangeError);
  });

  it('[link.limit] counts the smaller of its own maxPayload and the session’s', async () => {
    const listener = tcp({ port: 0, maxPayload: 100 });
    const pair = await connectPair(listener, (address) => tcp({ ...address, maxPayload: 2_000 }), {
      initiator: { maxPayload: 50 },
      acceptor: { maxPayload: 1_000 },
    });
    expect(() => pair.initiator.send(new Uint8Array(51))).toThrow(PayloadTooLargeError);
    expect(() => pair.acceptor.send(new Uint8Array(101))).toThrow(PayloadTooLargeError);
    await pair.dispose();
  });
});
