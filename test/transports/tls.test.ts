import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { tcp } from 'statewire/tcp';
import type { Link } from '../../src/transport/link.ts';
import { connectPair, linkConformance, record } from '../support/links.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url));
const certificate = { cert: fixture('localhost.crt'), key: fixture('localhost.key') };
const trust = { ca: fixture('localhost.crt') };

linkConformance(
  'tls',
  (limits) => connectPair(tcp({ port: 0, tls: certificate }), (address) => tcp({ ...address, tls: trust }), limits),
  { tellsAbort: false, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

const never = new AbortController().signal;

describe('tls', () => {
  it('refuses a certificate that nobody vouches for', async () => {
    const links: Link[] = [];
    const listening = await tcp({ port: 0, tls: certificate }).listen((link) => links.push(link));
    await expect(tcp({ ...listening.address, tls: {} }).connect(never)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    await listening.close();
  });

  it('asks a host by its name for the certificate', async () => {
    const listening = await tcp({
      host: 'localhost',
      port: 0,
      tls: { ...certificate, SNICallback: (name, done) => done(new Error(`asked for ${name}`)) },
    }).listen(() => {});
    const asked = tcp({ host: 'localhost', port: listening.address.port, tls: trust }).connect(never);
    await expect(asked).rejects.toBeInstanceOf(Error);
    await listening.close();
  });

  it('rejects when a peer does not speak TLS, and when it aborts meanwhile', async () => {
    const plain = await tcp({ port: 0 }).listen((link) => {
      record(link).onMessage = () => link.abort();
    });
    const controller = new AbortController();
    const connecting = tcp({ ...plain.address, tls: trust }).connect(controller.signal);
    controller.abort(new Error('too slow'));
    await expect(connecting).rejects.toThrow('too slow');
    await plain.close();
  });

  it('[session.capacity] bears so many sockets in their TLS handshake, cuts one more, and has room again when they were too slow', async () => {
    const slow = { ...certificate, handshakeTimeout: 300 };
    const listening = await tcp({ port: 0, tls: slow }).listen((link) => link.open({ message: () => {}, drain: () => {}, close: () => {} }), {
      maxPayload: 65_536,
      maxHandshakes: 2,
    });
    const strangers = Array.from({ length: 3 }, () => connectSocket({ ...listening.address }));
    for (const socket of strangers) socket.on('error', () => {}).resume();
    // Sockets are accepted in the order they came.
    await once(strangers[2] as Socket, 'close');
    const dial = () => tcp({ ...listening.address, tls: trust }).connect(never);
    await expect(dial()).rejects.toBeInstanceOf(Error);
    // Real sockets: tried until there is room.
    let link: Link | undefined;
    while (link === undefined) link = await dial().catch(() => undefined);
    link.abort();
    await listening.close();
  });

  it('knows a peer without a certificate as that', async () => {
    const pair = await connectPair(tcp({ port: 0, tls: certificate }), (address) => tcp({ ...address, tls: trust }));
    expect(pair.acceptor.facts).toMatchObject({ authorized: false, peerCertificate: undefined });
    await pair.dispose();
  });

  it('knows whether the peer is authorized, and its certificate, also after the end', async () => {
    const mutual = { ...certificate, ...trust, requestCert: true };
    const pair = await connectPair(tcp({ port: 0, tls: mutual }), (address) => tcp({ ...address, tls: { ...certificate, ...trust } }));
    const recorders = [record(pair.initiator), record(pair.acceptor)];
    const expectPeer = (link: Link): void => {
      expect(link.facts).toMatchObject({ transport: 'tls', authorized: true, remoteAddress: '127.0.0.1' });
      expect(link.facts['peerCertificate']).toMatchObject({ subject: { CN: 'localhost' } });
    };
    for (const link of [pair.initiator, pair.acceptor]) expectPeer(link);
    pair.initiator.close();
    for (const recorder of recorders) expect(await recorder.closed()).toEqual([undefined]);
    for (const link of [pair.initiator, pair.acceptor]) expectPeer(link);
    await pair.dispose();
  });
});
