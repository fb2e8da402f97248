/**
 * What an operation id is good for: a call that is repeated under its id runs once. A duplicate of a call that is still running joins it; one that
 * comes later gets the kept outcome. Run it: `npx tsx examples/operation-ids.ts`
 */
import { setTimeout as wait } from 'node:timers/promises';
import { connect, defineService, implement, listen, method } from 'statewire';
import { tcp } from 'statewire/tcp';

const Shop = defineService('Shop', {
  order: method<{ item: string }, string>({ persist: true }),
});

let orders = 0;
const shop = implement(Shop, {
  async order({ item }, { operationId }) {
    console.log(`server: runs ${operationId}`);
    await wait(20);
    return `number ${++orders}, one ${item}`;
  },
});

const server = await listen(tcp({ port: 0 }), {
  services: [shop],
  onSession: (session) =>
    void session.closed.then(() => {
      const { started, attached, replayed } = session.counters;
      console.log(`server: ${started} run, ${attached} joined, ${replayed} replayed`);
    }),
});
const session = await connect(tcp(server.address));
const client = session.client(Shop);

const twice = await Promise.all([
  client.order({ item: 'teapot' }, { operationId: 'order-1' }),
  client.order({ item: 'teapot' }, { operationId: 'order-1' }),
]);
console.log(`client: ${twice[0]}; and its duplicate: ${twice[1]}`);

const later = await client.order({ item: 'teapot' }, { operationId: 'order-1' });
console.log(`client: asked again later: ${later}`);

const second = await client.order({ item: 'teapot' }, { operationId: 'order-2' });
console.log(`client: another order: ${second}`);

await session.close();
await server.close();
