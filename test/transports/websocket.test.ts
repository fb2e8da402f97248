import { describe, expect, it } from 'vitest';
import { websocket } from 'statewire/websocket';
import { WebSocket as WebSocketOfWs } from 'ws';
import { dialBrowserWebSocket } from '../../src/transport/websocket-browser.ts';
import { DEFAULT_MAX_PAYLOAD } from '../../src/transport/link.ts';
import { connectPair, linkConformance } from '../support/links.ts';

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
