/** A middle whose other link stands still: what waits there is bounded (link.backpressure), whatever credit the two ends have agreed on. */
import { expect, it, onTestFinished } from 'vitest';
import { channel, connect, joinConnections, listen } from 'statewire';
import type { Connector, Link } from 'statewire';
import { Flow, flowing } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, makeWorld, PLACE } from '../support/peers.ts';
import { BACK } from '../support/proxy-peers.ts';

leavesNothing();

const ITEM_BYTES = 60_000;
const CREDIT = 2_000;
/** What a middle keeps for a link that is full. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;

/** A connector whose links can be jammed: from then on they are full. What is sent is kept for when they are let go. */
function jammable(connector: Connector) {
  let kept: Uint8Array[] | undefined;
  const wrapped: Connector = {
    async connect(signal, limits) {
      const link = await connector.connect(signal, limits);
      const send: Link['send'] = (payload) => {
        if (kept === undefined) return link.send(payload);
        kept.push(payload);
        return false;
      };
      return { ...boundTo(link), send };
    },
  };
  return { connector: wrapped, jam: () => void (kept = []) };
}

function boundTo(link: Link): Link {
  return {
    send: (payload) => link.send(payload),
    open: (handler) => link.open(handler),
    close: () => link.close(),
    abort: (reason) => link.abort(reason),
    facts: link.facts,
  };
}

it('[conn.proxy] [link.backpressure] a channel whose items wait for a link that stands still is reset, and only that one', async () => {
  const { network, clock, settle } = makeWorld();
  const flow = flowing();
  const far = await listen(network.listener(BACK), { clock, onConnection: (request) => request.accept({ services: [flow.service] }) });
  onTestFinished(() => far.close());
  const road = jammable(network.connector(BACK));
  const back = await connect(road.connector, { clock, keepAlive: false });
  onTestFinished(() => back.close());
  const middle = await listen(network.listener(PLACE), {
    clock,
    onConnection: async (request) => {
      const upstream = await back.open();
      joinConnections(request.accept(), upstream);
    },
  });
  onTestFinished(() => middle.close());
  const near = await connect(network.connector(PLACE), { clock });
  onTestFinished(() => near.close());
  const connection = await near.open();
  const [tx, rx] = channel<Uint8Array>({ credit: CREDIT });
  const [other, otherRx] = channel<Uint8Array>();
  const calls = [rx, otherRx].map((items) => failureOf(connection.client(Flow).take({ items })));
  await settle();
  expect(flow.taking).toHaveLength(2);

  road.jam();
  let sent = 0;
  const refused = failureOf(
    (async () => {
      for (; sent < CREDIT; sent++) {
        await tx.send(new Uint8Array(ITEM_BYTES));
        await settle();
      }
    })(),
  );
  expect(await refused).toMatchObject({ kind: 'channel-reset', reason: 'overflow' });
  expect(sent * ITEM_BYTES).toBeGreaterThan(MOST_WAITING_BYTES - 2 * ITEM_BYTES);
  expect(sent * ITEM_BYTES).toBeLessThan(MOST_WAITING_BYTES + 10 * ITEM_BYTES);
  await other.send(new Uint8Array(1));
  expect([near.status, back.status, other.status]).toEqual(['connected', 'connected', 'ready']);
  await Promise.all([near.close(), back.close()]);
  await Promise.all(calls);
});
