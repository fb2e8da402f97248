import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lmdbStore } from 'statewire/lmdb';
import type { LmdbStore } from 'statewire/lmdb';
import { encodeValue } from 'statewire/wire';
import { run } from '../support/command.ts';

const root = mkdtempSync(join(tmpdir(), 'statewire-store-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const HOUR_MS = 60 * 60_000;
const ALICE = 'a1'.repeat(32);
const BORIS = 'b0'.repeat(32);
const SECRET = 'hunter2';
const METHOD_ID = 0x00c0ffee;

const look = (...args: string[]) => run('src/cli/main.ts', 'store', ...args);

/** One object a line. */
const linesOf = (stdout: string): Record<string, unknown>[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

interface Kept {
  readonly scope?: string;
  readonly caller?: 'initiator' | 'acceptor';
  readonly series?: string;
  readonly id: string | number;
  readonly input?: unknown;
  /** As the runtime stores it: what it begins with says which end it is. */
  readonly outcome?: Uint8Array;
  readonly isReleased?: boolean;
}

async function keep(store: LmdbStore, { scope = ALICE, caller = 'initiator', series, id, input = 'input', outcome, isReleased }: Kept) {
  const key = { scope, caller, ...(series !== undefined && { series }), id };
  const signature = { methodId: METHOD_ID, args: encodeValue(input) };
  await store.admit(key, signature, { takeOver: false });
  if (outcome !== undefined) await store.seal(key, signature, outcome);
  if (isReleased === true) await store.release(key, 'handler-failed');
}

const endWith = (kind: number, value: unknown) => new Uint8Array([kind, ...encodeValue(value)]);

/** Everything in the folder but LMDB's table of readers. */
function contentsOf(path: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(path).filter((found) => found !== 'lock.mdb')) hash.update(name).update(readFileSync(join(path, name)));
  return hash.digest('hex');
}

describe('statewire store, beside a process that has the store in use', { timeout: 60_000 }, () => {
  const path = join(root, 'in-use');
  const store = lmdbStore({ path });

  beforeAll(async () => {
    await store.open();
    await keep(store, { id: 'order-1', input: { password: SECRET }, outcome: endWith(0, { receipt: 'R1' }) });
    await keep(store, { id: 'order-1', scope: BORIS, outcome: endWith(1, { code: 'insufficient', missing: 5n }) });
    await keep(store, { id: 'order-1', scope: BORIS, caller: 'acceptor' });
    await keep(store, { id: '7\u009B2J\u202E' });
    await keep(store, { id: 'failed', isReleased: true });
    await keep(store, { id: 'long', input: 'x'.repeat(5_000) });
    await keep(store, { id: 'odd', outcome: new Uint8Array([9, 0xab]) });
    await keep(store, { id: 7, series: '5e71e5' });
    await keep(store, { id: 7, series: '5e71e6', outcome: endWith(0, 'of the other series') });
    await keep(store, { id: 3, series: '5e71e6', outcome: endWith(0, 'acknowledged') });
    await store.forget(ALICE, 'initiator', '5e71e6', 3);
    await keep(store, { id: 'last' });
  });
  afterAll(() => store.close());

  it('lists a line for each operation, and shows neither secrets nor what an id would do to a terminal', async () => {
    const { code, stdout, stderr } = await look(path, 'ls');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [head = '', ...lines] = stdout.trimEnd().split('\n');
    expect(head.trim().split(/ {2,}/)).toEqual(['state', 'caller', 'scope', 'age', 'bytes', 'id']);
    expect(lines.map((line) => line.trim().split(/ {2,}/).toSpliced(3, 2).join(' '))).toEqual([
      'admitted acceptor b0b0b0b0b0b0… "order-1"',
      'admitted initiator a1a1a1a1a1a1… 5e71e5/7',
      'sealed initiator a1a1a1a1a1a1… 5e71e6/7',
      'sealed initiator a1a1a1a1a1a1… "odd"',
      'admitted initiator a1a1a1a1a1a1… "last"',
      'admitted initiator a1a1a1a1a1a1… "long"',
      'released initiator a1a1a1a1a1a1… "failed"',
      'sealed initiator a1a1a1a1a1a1… "order-1"',
      'admitted initiator a1a1a1a1a1a1… "7\\u{9b}2J\\u{202e}"',
      'sealed initiator b0b0b0b0b0b0… "order-1"',
    ]);
    expect(lines.every((line) => / \d+ s +\d+ {2}\S/.test(line))).toBe(true);
  });

  it('lists what the filters leave, and says how many more there are', async () => {
    const { code, stdout, stderr } = await look(
      path,
      'ls',
      '--json',
      '--state',
      'admitted',
      '--scope',
      'a1',
      '--caller',
      'initiator',
      '--limit',
      '2',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '2 more; --limit shows more of them\n' });
    const common = { state: 'admitted', caller: 'initiator', scope: ALICE, since: expect.any(Number), ageMs: expect.any(Number) };
    expect(linesOf(stdout)).toEqual([
      { ...common, series: '5e71e5', id: 7, bytes: expect.any(Number) },
      { ...common, id: 'last', bytes: 19 + encodeValue('input').byteLength },
    ]);
  });

  it('lists scopes in full when asked', async () => {
    const { stdout } = await look(path, 'ls', '--full', '--state', 'released');
    expect(stdout).toContain(` ${ALICE} `);
  });

  it('shows all about one operation, of arguments and outcome only the sizes', async () => {
    const { code, stdout } = await look(path, 'show', 'order-1', '--scope', 'a1');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^operation +"order-1"$/m);
    expect(stdout).toMatch(/^state +sealed$/m);
    expect(stdout).toContain(ALICE);
    expect(stdout).toMatch(/^method id +0x00c0ffee$/m);
    expect(stdout).toContain(`${encodeValue({ password: SECRET }).byteLength} bytes`);
    expect(stdout).toMatch(/^outcome +value, \d+ bytes$/m);
    expect(stdout).not.toContain(SECRET);
    expect((await look(path, 'show', 'order-1', '--scope', 'a1', '--json')).stdout).not.toContain(SECRET);
  });

  it('shows arguments and outcome with --values', async () => {
    const { stdout } = await look(path, 'show', 'order-1', '--scope', 'a1', '--values');
    expect(stdout).toContain(`{ password: '${SECRET}' }`);
    expect(stdout).toContain("{ receipt: 'R1' }");
  });

  it.each([
    { args: ['order-1', '--scope', 'a1'], arguments: { value: { password: SECRET } }, outcome: { kind: 'value', value: { receipt: 'R1' } } },
    {
      args: ['order-1', '--scope', 'b0', '--caller', 'initiator'],
      arguments: { value: 'input' },
      outcome: { kind: 'failure', text: "{ code: 'insufficient', missing: 5n }" },
    },
    { args: ['7', '--series', '5e71e6'], arguments: { value: 'input' }, outcome: { kind: 'value', value: 'of the other series' } },
    { args: ['odd'], arguments: { value: 'input' }, outcome: { kind: 'unknown', bytes: 2, hex: '09ab' } },
    {
      args: ['long'],
      arguments: {
        kind: 'sha256',
        bytes: 32,
        hex: createHash('sha256')
          .update(encodeValue('x'.repeat(5_000)))
          .digest('hex'),
      },
    },
  ])('shows for programs what $args carries', async ({ args, ...carried }) => {
    const { code, stdout } = await look(path, 'show', ...args, '--values', '--json');
    expect(code).toBe(0);
    expect(linesOf(stdout)).toMatchObject([carried]);
  });

  it('shows why an operation was released', async () => {
    expect((await look(path, 'show', 'failed')).stdout).toMatch(/^reason +handler-failed$/m);
  });

  it('lists several operations with one id, and says how to choose', async () => {
    const { code, stdout, stderr } = await look(path, 'show', 'order-1');
    expect({ code, lines: stdout.trimEnd().split('\n').length }).toEqual({ code: 2, lines: 4 });
    expect(stdout).toContain(BORIS);
    expect(stderr).toBe('statewire store: 3 operations have this id; say which with --scope and --caller\n');
  });

  it('says that a number needs its series', async () => {
    const { code, stderr } = await look(path, 'show', '7');
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'statewire store: there is no operation with the id "7"; a number needs its --series\n' });
  });

  it('says of a number that is gone that it is forgotten', async () => {
    const { code, stdout, stderr } = await look(path, 'show', '3', '--series', '5e71e6');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('5e71e6/3 is forgotten');
  });

  it('does not sweep it, and says who has it', async () => {
    const { code, stdout, stderr } = await look(path, 'sweep', '--retention-ms', '1');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`process ${process.pid} has it in use`);
    expect(linesOf((await look(path, 'ls', '--json')).stdout)).toHaveLength(10);
  });

  it('sees what that process writes afterwards, which has the store as before', async () => {
    await keep(store, { id: 'later', scope: 'c0', outcome: endWith(0, 1) });
    expect(linesOf((await look(path, 'ls', '--json', '--scope', 'c0')).stdout)).toMatchObject([{ id: 'later', state: 'sealed' }]);
  });
});

describe('statewire store, where nobody has it in use', { timeout: 60_000 }, () => {
  it('changes nothing when it lists and shows', async () => {
    const path = join(root, 'untouched');
    const store = lmdbStore({ path });
    await store.open();
    // More than are read at a time.
    await Promise.all(Array.from({ length: 2_500 }, (_, at) => keep(store, { id: at + 1, series: 'many' })));
    await store.close();
    const before = contentsOf(path);
    const { stdout, stderr } = await look(path, 'ls', '--json', '--limit', '2400');
    expect(linesOf(stdout).map(({ id }) => id)).toEqual(Array.from({ length: 2_400 }, (_, at) => at + 1));
    expect(stderr).toContain('100 more');
    expect((await look(path, 'show', '2500', '--series', 'many')).code).toBe(0);
    expect(contentsOf(path)).toBe(before);
  });

  it('sweeps what is past its retention, and says how many operations went', async () => {
    const path = join(root, 'swept');
    let now = Date.now() - 2 * HOUR_MS;
    const store = lmdbStore({ path, clock: { now: () => now } });
    await store.open();
    for (const id of ['old-1', 'old-2']) await keep(store, { id, outcome: endWith(0, 1) });
    await keep(store, { id: 'old and abandoned' });
    now += HOUR_MS;
    await keep(store, { id: 'younger', outcome: endWith(0, 1) });
    await store.close();
    const left = async () => linesOf((await look(path, 'ls', '--json')).stdout).map(({ id }) => id);

    expect(await look(path, 'sweep', '--retention-ms', String(1.5 * HOUR_MS))).toEqual({ code: 0, stdout: '2 operations went\n', stderr: '' });
    expect(await left()).toEqual(['younger', 'old and abandoned']);
    expect(await look(path, 'sweep')).toEqual({ code: 0, stdout: '1 operation went\n', stderr: '' });
    expect(await left()).toEqual(['old and abandoned']);
    expect((await look(path, 'sweep')).stdout).toBe('0 operations went\n');
  });

  it.each(['ls', 'show', 'sweep'])('makes no store for %s, where there is none', async (command) => {
    const args = command === 'show' ? ['order-1'] : [];
    const absent = join(root, 'absent');
    expect(await look(absent, command, ...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('there is no such folder') });
    expect(existsSync(absent)).toBe(false);

    const foreign = mkdtempSync(join(root, 'foreign-'));
    writeFileSync(join(foreign, 'notes.txt'), 'mine');
    expect(await look(foreign, command, ...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('no store of statewire') });
    expect(readdirSync(foreign)).toEqual(['notes.txt']);

    const empty = join(root, `empty-${command}`);
    mkdirSync(empty);
    expect((await look(empty, command, ...args)).code).toBe(2);
    expect(readdirSync(empty)).toEqual([]);
  });
});

describe('the arguments of statewire store', { timeout: 60_000 }, () => {
  const path = join(root, 'arguments');

  beforeAll(async () => {
    const store = lmdbStore({ path });
    await store.open();
    await store.close();
  });

  it('prints its options for --help', async () => {
    const { code, stdout } = await look('--help');
    expect(code).toBe(0);
    for (const option of ['ls', 'show', 'sweep', '--state', '--scope', '--limit', '--full', '--json', '--series', '--values', '--retention-ms'])
      expect(stdout).toContain(option);
  });

  it.each([
    { args: [], says: 'the path of the store comes first' },
    { args: [path], says: 'after the path comes ls, show or sweep' },
    { args: [path, 'list'], says: 'after the path comes ls, show or sweep, not "list"' },
    { args: [path, 'ls', '--state', 'done'], says: '--state must be one of admitted, sealed, released, unreadable, not "done"' },
    { args: [path, 'ls', '--caller', 'me'], says: '--caller must be initiator or acceptor, not "me"' },
    { args: [path, 'ls', '--limit', 'all'], says: '--limit must be a whole number, not "all"' },
    { args: [path, 'ls', '--values'], says: "Unknown option '--values'" },
    { args: [path, 'show'], says: 'give the id of an operation' },
    { args: [path, 'show', 'x', 'y'], says: 'one id at a time' },
    { args: [path, 'show', 'x', '--series', 's'], says: 'the id must be a whole number, not "x"' },
    { args: [path, 'sweep', '--retention-ms', '0'], says: '--retention-ms must be a whole number above 0, not "0"' },
  ])('says in one line what is wrong with $args, and exits 2', async ({ args, says }) => {
    const { code, stdout, stderr } = await look(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining(says)]);
  });
});
