/** The parts of the demo that make mishaps and outlive them: the plan, the links that are cut, the bank's journal and the ledger over it. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Link, LinkHandler } from 'statewire';
import type { Order } from '../../src/cli/bank-contract.ts';
import { sumOfLives } from '../../src/cli/bank-counts.ts';
import type { Rebirth } from '../../src/cli/bank-lives.ts';
import { planChaos } from '../../src/cli/chaos-plan.ts';
import type { Cut, Kill, Mishap } from '../../src/cli/chaos-plan.ts';
import { Chaos } from '../../src/cli/chaos.ts';
import { CuttableLinks } from '../../src/cli/cuttable-links.ts';
import { openDataFolder } from '../../src/cli/data-folder.ts';
import { InputError } from '../../src/cli/exit.ts';
import { openJournal } from '../../src/cli/journal.ts';
import { Ledger } from '../../src/cli/ledger.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'statewire-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

const order = (name: string, cents = 10): Order => ({ order: name, account: 'ada', cents });

describe('the plan of mishaps', () => {
  const extent = { seed: 7, cuts: 24, kills: 4, orders: 1_000 };

  it('is the same for the same seed, and another for another', () => {
    expect(planChaos(extent)).toEqual(planChaos(extent));
    expect(planChaos(extent)).not.toEqual(planChaos({ ...extent, seed: 8 }));
  });

  it('has every cut and kill that was asked for, in the order of their orders, the first and the last in peace', () => {
    const plan = planChaos(extent);
    const at = plan.map(({ afterOrders }) => afterOrders);
    expect(plan.filter(({ kind }) => kind === 'cut')).toHaveLength(24);
    expect(plan.flatMap((mishap) => (mishap.kind === 'kill' ? [mishap.afterOrders] : []))).toEqual([200, 400, 600, 800]);
    expect(at).toEqual([...at].sort((one, other) => one - other));
    expect([at[0], at.at(-1)]).toEqual([39, 924]);
  });

  it('has cuts of every kind within a few seeds', () => {
    const cuts = [1, 2, 3].flatMap((seed) => planChaos({ ...extent, seed })).filter((mishap): mishap is Cut => mishap.kind === 'cut');
    expect(new Set(cuts.map(({ reach, noticed, again }) => `${reach} ${noticed} ${again}`)).size).toBe(8);
    for (const { pick } of cuts) expect(pick >= 0 && pick < 1).toBe(true);
  });

  it('puts all of them into the shortest file, and nothing into a calm run', () => {
    expect(planChaos({ ...extent, orders: 1 }).map(({ afterOrders }) => afterOrders)).toEqual(Array(28).fill(1));
    expect(planChaos({ ...extent, cuts: 0, kills: 0 })).toEqual([]);
  });
});

/** The end that a test holds of a link below: it delivers what the test says, and remembers what became of it. */
class FakeLink implements Link {
  readonly facts = {};
  readonly sent: Uint8Array[] = [];
  state: 'open' | 'aborted' = 'open';
  handler: LinkHandler | undefined;

  send(payload: Uint8Array): boolean {
    this.sent.push(payload);
    return true;
  }
  open(handler: LinkHandler): void {
    this.handler = handler;
  }
  close(): void {
    this.handler?.close();
  }
  abort(reason?: Error): void {
    this.state = 'aborted';
    this.handler?.close(reason);
  }
}

async function cuttable(links: CuttableLinks): Promise<{ below: FakeLink; link: Link; heard: string[] }> {
  const below = new FakeLink();
  const link = await links.connector({ connect: () => Promise.resolve(below) }).connect(new AbortController().signal);
  const heard: string[] = [];
  link.open({
    message: (payload) => heard.push(`message ${payload[0]}`),
    drain: () => heard.push('drain'),
    close: (error) => heard.push(`close: ${error?.message}`),
  });
  return { below, link, heard };
}

describe('a link that can be cut', () => {
  const payload = (byte: number) => new Uint8Array([byte]);

  it('carries payloads and its end like the link below until then', async () => {
    const { below, link, heard } = await cuttable(new CuttableLinks());
    link.send(payload(1));
    below.handler?.message(payload(2));
    below.handler?.drain();
    link.close();
    expect(below.sent).toEqual([payload(1)]);
    expect(heard).toEqual(['message 2', 'drain', 'close: undefined']);
  });

  it('is aborted below when both sides notice', async () => {
    const links = new CuttableLinks();
    const [one, other] = [await cuttable(links), await cuttable(links)];
    links.cutOne(0.6, 'by-both');
    expect([one.below.state, other.below.state]).toEqual(['open', 'aborted']);
    expect(other.heard).toEqual(['close: the link was cut']);
  });

  it('lives on below, unheard, when this side alone notices, until all is over', async () => {
    const links = new CuttableLinks();
    const { below, link, heard } = await cuttable(links);
    links.cutAll('here-alone');
    below.handler?.message(payload(1));
    expect(heard).toEqual(['close: the link was cut']);
    expect(() => link.send(payload(2))).toThrow('the link was cut');
    expect(below.state).toBe('open');
    links.close();
    expect(below.state).toBe('aborted');
    expect(heard).toHaveLength(1);
  });

  it('can be cut as soon as it is made', async () => {
    const links = new CuttableLinks();
    links.cutNext();
    const { below } = await cuttable(links);
    const next = await cuttable(links);
    await new Promise(setImmediate);
    expect([below.state, next.below.state]).toEqual(['aborted', 'open']);
  });
});

describe('mishaps', () => {
  const cut: Cut = { kind: 'cut', afterOrders: 1, reach: 'all', pick: 0, noticed: 'by-both', again: false };
  const kill: Kill = { kind: 'kill', afterOrders: 2, delayMs: 0 };
  const rebirth: Rebirth = { killedPid: 1, pid: 2, afterMs: 3, replayed: 4, tornBytes: 0 };
  const chaosOf = (plan: readonly Mishap[], links: CuttableLinks, killBank: () => Promise<Rebirth | undefined>) =>
    new Chaos({ plan, links, bank: { kill: killBank }, onRebirth: () => {} });

  it('come when their orders are charged, each once', async () => {
    const links = new CuttableLinks();
    const { below } = await cuttable(links);
    const chaos = chaosOf([cut, kill], links, () => Promise.resolve(rebirth));
    chaos.charged(0);
    await chaos.over();
    expect([chaos.cuts, chaos.kills, below.state]).toEqual([0, 0, 'open']);
    chaos.charged(1);
    chaos.charged(1);
    await chaos.over();
    expect([chaos.cuts, chaos.kills, below.state]).toEqual([1, 0, 'aborted']);
    chaos.charged(5);
    await chaos.over();
    expect([chaos.cuts, chaos.kills]).toEqual([1, 1]);
  });

  it('wait for each other, and a cut for something to cut', async () => {
    const links = new CuttableLinks();
    let reborn: (rebirth: Rebirth) => void = () => {};
    let killed: () => void = () => {};
    const isKilled = new Promise<void>((resolve) => (killed = resolve));
    const killBank = (): Promise<Rebirth> => {
      killed();
      return new Promise((resolve) => (reborn = resolve));
    };
    const chaos = chaosOf([{ ...kill, afterOrders: 1 }, cut], links, killBank);
    chaos.charged(1);
    const { below } = await cuttable(links);
    await isKilled;
    expect([chaos.cuts, below.state]).toEqual([0, 'open']);
    below.abort();
    reborn(rebirth);
    await new Promise(setImmediate);
    expect([chaos.cuts, chaos.kills]).toEqual([0, 1]);
    const next = await cuttable(links);
    await chaos.over();
    expect([chaos.cuts, next.below.state]).toEqual([1, 'aborted']);
  });

  it('tell at the end what kept the bank from coming back', async () => {
    const chaos = chaosOf([kill], new CuttableLinks(), () => Promise.reject(new Error('no bank')));
    chaos.charged(2);
    await expect(chaos.over()).rejects.toThrow('no bank');
  });
});

describe('the journal', () => {
  const opened = { opened: { account: 'ada', cents: 100 } };
  const charged = (name: string) => ({ charged: order(name), granted: true });
  const openAt = async (name: string) => {
    const path = join(folder, name);
    const found = await openJournal(path);
    onTestFinished(() => found.journal.close());
    return { path, ...found };
  };

  it('is empty at first, and has all that was appended when it is opened again', async () => {
    const { path, journal, lines } = await openAt('whole');
    expect(lines).toEqual([]);
    await Promise.all([journal.append(opened), journal.append(charged('o1'))]);
    await journal.append({ refused: 'o1' });
    expect((await openJournal(path)).lines).toEqual([opened, charged('o1'), { refused: 'o1' }]);
  });

  it('has a line in the file before `append` settles, and all before it before `synced` does', async () => {
    const { path, journal } = await openAt('settled');
    await journal.append(opened);
    expect(await readFile(path, 'utf8')).toBe(`${JSON.stringify(opened)}\n`);
    void journal.append(charged('o1'));
    void journal.append(charged('o2'));
    await journal.synced();
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(4);
  });

  it('drops a torn last line, says how much that was, and goes on behind the whole ones', async () => {
    const path = join(folder, 'torn');
    const torn = JSON.stringify(charged('o2')).slice(0, -3);
    await writeFile(path, `${JSON.stringify(opened)}\n${JSON.stringify(charged('o1'))}\n${torn}`);
    const { journal, lines, tornBytes } = await openAt('torn');
    expect({ lines, tornBytes }).toEqual({ lines: [opened, charged('o1')], tornBytes: torn.length });
    await journal.append(charged('o3'));
    expect(await openAt('torn')).toMatchObject({ lines: [opened, charged('o1'), charged('o3')], tornBytes: 0 });
  });

  it.each(['{"charged":', 'null', '7', '{"other":1}'])('refuses a whole line that makes no sense: %s', async (line) => {
    const path = join(folder, 'damaged');
    const before = `${JSON.stringify(opened)}\n${line}\n`;
    await writeFile(path, before);
    await expect(openJournal(path)).rejects.toThrow(`${path}:2 is no line of a journal`);
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it('settles nothing any more once it could not write', async () => {
    const { journal } = await openJournal(join(folder, 'closed'));
    await journal.close();
    await expect(journal.append(opened)).rejects.toThrow();
    await expect(journal.append(charged('o1'))).rejects.toThrow();
  });
});

describe('the ledger over its journal', () => {
  const reopened = async (path: string) => {
    const { journal, lines } = await openJournal(path);
    onTestFinished(() => journal.close());
    return new Ledger(journal, lines);
  };

  it('gives the very same receipt for an order that an earlier life of the bank charged, and charges nothing', async () => {
    const path = join(folder, 'lives');
    const first = await reopened(path);
    await first.open({ account: 'ada', cents: 25 });
    const outcomes = [await first.charge(order('o1')), await first.charge(order('o2')), await first.charge(order('o3'))];
    expect(outcomes).toEqual([
      { receipt: 'R1', balanceCents: 15 },
      { receipt: 'R2', balanceCents: 5 },
      { code: 'insufficient', missingCents: 5 },
    ]);
    const second = await reopened(path);
    expect(await Promise.all(['o1', 'o2', 'o3'].map((name) => second.charge(order(name))))).toEqual(outcomes);
    expect([second.balance('ada'), second.entries.length, second.refused, second.found]).toEqual([5, 3, [], 3]);
    await expect(second.charge(order('o1', 11))).rejects.toThrow('was another one');
  });

  it('refuses an order that may run once only, and remembers that it came', async () => {
    const path = join(folder, 'once');
    const first = await reopened(path);
    await first.open({ account: 'ada', cents: 25 });
    await first.chargeOnce(order('o1'));
    await expect(first.chargeOnce(order('o1'))).rejects.toThrow('was charged before');
    const second = await reopened(path);
    expect([second.balance('ada'), second.entries.length, second.refused]).toEqual([15, 1, ['o1']]);
  });

  it('shows an order that the journal has twice', async () => {
    const path = join(folder, 'twice');
    const first = await reopened(path);
    await first.open({ account: 'ada', cents: 25 });
    await first.charge(order('o1'));
    await appendFile(path, `${JSON.stringify({ charged: order('o1'), granted: true })}\n`);
    const second = await reopened(path);
    expect([second.balance('ada'), second.entries.length]).toEqual([5, 2]);
  });
});

describe('the folder of the data', () => {
  it('is a new one that can be removed, or an empty one of the user that stays', async () => {
    const temporary = await openDataFolder(undefined);
    await writeFile(join(temporary.path, 'something'), '');
    await temporary.remove();
    await expect(readFile(join(temporary.path, 'something'))).rejects.toThrow('ENOENT');
    const kept = await openDataFolder(join(folder, 'deep', 'data'));
    await writeFile(join(kept.path, 'something'), '');
    await kept.remove();
    await expect(openDataFolder(kept.path)).rejects.toThrow(/has something in it: --data takes a folder that is empty or not there yet$/);
    await expect(openDataFolder(join(kept.path, 'something'))).rejects.toThrow(InputError);
  });
});

describe('the counts of several lives', () => {
  it('are sums, but for the quotes that are thought about: these died with their bank', () => {
    const life = { started: 5, attached: 2, replayed: 1, found: 6, quotesThinking: 3, quotesAborted: 4 };
    expect(sumOfLives([life, life], { ...life, quotesThinking: 0 })).toEqual({
      started: 15,
      attached: 6,
      replayed: 3,
      found: 18,
      quotesThinking: 0,
      quotesAborted: 12,
    });
  });
});
