// A service tested against a model of itself, over a network that fails: npx tsx examples/model-test.ts
import assert from 'node:assert/strict';
import { connect, defineService, implement, listen, method } from 'statewire';
import { memoryNetwork, SeededRandom, SimulatedClock } from 'statewire/testing';

const Stock = defineService('Stock', {
  take: method<{ count: number }, { left: number }, { onlyLeft: number }>({ persist: true }),
});

/** The service. */
function serveStock(stock: { left: number }) {
  return implement(Stock, {
    take({ count }, call) {
      if (count > stock.left) return call.fail({ onlyLeft: stock.left });
      stock.left -= count;
      return { left: stock.left };
    },
  });
}

/** The model: what every call must come to, without a network. */
function takeFromModel(model: { left: number }, count: number): string {
  if (count > model.left) return `only ${model.left} left`;
  model.left -= count;
  return `${model.left} left`;
}

async function tryOut(seed: number): Promise<number> {
  const random = new SeededRandom(seed);
  const clock = new SimulatedClock();
  const network = memoryNetwork({ clock, seed });
  const [stock, model] = [{ left: 100 }, { left: 100 }];
  await using server = await listen(network.listener('stock'), { clock, services: [serveStock(stock)] });
  await using session = await connect(network.connector('stock'), { clock, random, reconnect: { baseMs: 10, maxMs: 50 } });
  const client = session.client(Stock);
  for (let step = 0; step < 30; step++) {
    const count = random.between(1, 9);
    network.delay(random.between(0, 20));
    const answer = client.take({ count }).then(
      ({ left }) => `${left} left`,
      (error) => `only ${error.data.onlyLeft} left`,
    );
    // Anything may be lost on its way: the call, its answer, the handshake of the next link.
    for (let cuts = random.below(4); cuts > 0; cuts--) {
      await clock.advance(random.between(0, 40));
      network.cut();
      await clock.advance(random.between(0, 60));
      network.heal();
    }
    await clock.advance(1_000);
    assert.equal(await answer, takeFromModel(model, count), `seed ${seed}, step ${step}`);
  }
  assert.equal(stock.left, model.left, `seed ${seed}: the stock at the end`);
  return server.sessions.values().next().value?.counters.linksLost ?? 0;
}

let lost = 0;
for (let seed = 1; seed <= 50; seed++) lost += await tryOut(seed);
console.log(`50 seeds, 1,500 calls, ${lost} links lost: the stock is what the model says`);
