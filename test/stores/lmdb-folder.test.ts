/** The folder of an LMDB store: whose it is, whether it is whole, and who has it. What is refused is not touched. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import { lmdbStore, LmdbStoreError } from 'statewire/lmdb';
import type { LmdbStore } from 'statewire/lmdb';
import { storeErrorOf } from '../../src/store/lmdb/errors.ts';
import { bundleChild, runChild } from '../support/bundled-child.ts';
import { keyOf, outcomeOf, signatureOf } from '../support/crash-store-child.ts';
import { makeWorld, PLACE } from '../support/peers.ts';

const root = mkdtempSync(join(tmpdir(), 'statewire-folder-'));
let script = '';
beforeAll(async () => {
  script = await bundleChild('crash-store-child');
});
afterAll(() => {
  rmSync(script, { force: true });
  rmSync(root, { recursive: true, force: true });
});

let made = 0;
const newPath = (): string => join(root, `folder ${made++}`);

async function opened(path: string): Promise<LmdbStore> {
  const store = lmdbStore({ path });
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

/** A store that was used and closed. */
async function usedStore(): Promise<{ path: string; identity: string }> {
  const path = newPath();
  const store = lmdbStore({ path });
  await store.open();
  await store.admit(keyOf(1), signatureOf(1), { takeOver: false });
  await store.seal(keyOf(1), signatureOf(1), outcomeOf(1));
  const { identity } = store;
  await store.close();
  return { path, identity };
}

/** Names and bytes of a folder, but for LMDB's own lock: it is made anew by whoever opens, and has nothing in it that is kept. */
function contentOf(path: string): ReadonlyMap<string, string> {
  const names = readdirSync(path).filter((name) => name !== 'lock.mdb');
  return new Map(names.map((name) => [name, readFileSync(join(path, name), 'base64')]));
}

async function rejectionOf(opening: void | Promise<void>): Promise<unknown> {
  return Promise.resolve(opening).then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

/** Opens what cannot be; gives what it says. What is there is not touched. */
async function refusalOf(path: string): Promise<string> {
  const seen = (): unknown => (statSync(path).isDirectory() ? contentOf(path) : readFileSync(path, 'base64'));
  const before = seen();
  const error = await rejectionOf(lmdbStore({ path }).open());
  expect(error).toBeInstanceOf(LmdbStoreError);
  expect((error as LmdbStoreError).path).toBe(path);
  expect((error as LmdbStoreError).message).toContain(path);
  expect(seen()).toEqual(before);
  return (error as LmdbStoreError).message;
}

describe('opening', () => {
  it('makes the folder, for its owner alone, and keeps its identity as long as the folder is', async () => {
    const { path, identity } = await usedStore();
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(identity).toMatch(/^[0-9a-f]{32}$/);
    expect((await opened(path)).identity).toBe(identity);
  });

  it('gives another identity to a folder that was wiped', async () => {
    const { path, identity } = await usedStore();
    rmSync(path, { recursive: true });
    expect((await opened(path)).identity).not.toBe(identity);
  });

  it('begins anew what a process left that died while it made it', async () => {
    const { path } = await usedStore();
    renameSync(join(path, 'identity'), join(path, 'identity.new'));
    const store = await opened(path);
    expect(store.lookup(keyOf(1), signatureOf(1))).toEqual({ state: 'unknown' });
    expect(readdirSync(path)).not.toContain('identity.new');
  });

  const damages: readonly (readonly [what: string, damage: (path: string) => void | Promise<void>, message: RegExp])[] = [
    [
      'that has something else in it',
      (path) => (rmSync(path, { recursive: true }), mkdirSync(path), writeFileSync(join(path, 'letter.txt'), 'dear')),
      /letter\.txt.*no store of statewire; give an empty folder/,
    ],
    ['without its identity', (path) => rmSync(join(path, 'identity')), /no file identity/],
    [
      'whose identity is damaged',
      (path) => writeFileSync(join(path, 'identity'), 'statewire operation store, LMDB, version 1\nxyz\n'),
      /identity is damaged; restore/,
    ],
    ['whose identity is nonsense', (path) => writeFileSync(join(path, 'identity'), Buffer.alloc(100, 0xff)), /identity is damaged; restore/],
    [
      'of a newer version',
      (path) => writeFileSync(join(path, 'identity'), 'statewire operation store, LMDB, version 2\n'),
      /newer statewire \(version 2/,
    ],
    ['without its data', (path) => rmSync(join(path, 'data.mdb')), /data\.mdb is missing/],
    ['whose data is nonsense', (path) => writeFileSync(join(path, 'data.mdb'), Buffer.alloc(100_000, 7)), /data\.mdb is no LMDB data file/],
    ['whose data is empty', (path) => writeFileSync(join(path, 'data.mdb'), ''), /data\.mdb is no LMDB data file/],
    ['whose data is cut off', (path) => truncateSync(join(path, 'data.mdb'), 8_192), /data\.mdb is cut off/],
    [
      'with the data of another store',
      async (path) => cpSync(join((await usedStore()).path, 'data.mdb'), join(path, 'data.mdb')),
      /two different stores/,
    ],
  ];
  it.each(damages)('refuses a folder %s, says what to do, and touches nothing', async (_, damage, message) => {
    const { path } = await usedStore();
    await damage(path);
    expect(await refusalOf(path)).toMatch(message);
  });

  it('refuses a path that is a file', async () => {
    const path = newPath();
    writeFileSync(path, 'a file');
    expect(await refusalOf(path)).toMatch(/it is a file; give a folder/);
  });

  const misplaced: readonly (readonly [what: string, place: (path: string) => string | Promise<string>, message: RegExp])[] = [
    ['below a file', (path) => (writeFileSync(path, 'a file'), join(path, 'below')), /a part of its path is a file; give a path/],
    ['that is a link to nothing', (path) => (symlinkSync(join(root, 'nothing'), path), path), /a link in it has no target; mend or remove/],
    [
      'below a link to nothing',
      (path) => (symlinkSync(join(root, 'nothing'), path), join(path, 'below')),
      /a link in it has no target; mend or remove/,
    ],
    ['that is a link to itself', (path) => (symlinkSync(path, path), path), /lead round in a circle; mend or remove/],
    [
      'whose identity is a folder',
      async () => {
        const { path } = await usedStore();
        rmSync(join(path, 'identity'));
        mkdirSync(join(path, 'identity'));
        return path;
      },
      /is a folder; restore the store from a copy/,
    ],
  ];
  it.each(misplaced)('refuses a path %s: says what, where, and what to do', async (_, place, message) => {
    const path = await place(newPath());
    const error = (await rejectionOf(lmdbStore({ path }).open())) as LmdbStoreError;
    expect(error).toBeInstanceOf(LmdbStoreError);
    expect(error).toMatchObject({ name: 'LmdbStoreError', path, message: expect.stringMatching(message) });
    expect(error.message).toContain(path);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each([
    ['EACCES', /may not read and write there; give its user the rights/],
    ['EPERM', /may not read and write there; give its user the rights/],
    ['EROFS', /read-only; use another folder/],
    ['ENOSPC', /the disk is full; make room/],
    ['EISDIR', /\/stores\/one\/lock is a folder; restore/],
    ['EIO', /the file system refuses \(EIO: refused/],
  ])('says what to do when the file system says %s', (code, message) => {
    const cause = Object.assign(new Error(`${code}: refused, open '/stores/one/lock'`), { code, syscall: 'open', path: '/stores/one/lock' });
    const error = storeErrorOf('/stores/one', cause);
    expect(error).toMatchObject({ path: '/stores/one', cause, message: expect.stringMatching(message) });
    expect(error.message).toContain(cause.message);
  });

  it('is what `listen` and `connect` reject with', async () => {
    const path = newPath();
    writeFileSync(path, 'a file');
    const { network } = makeWorld();
    const refused = { store: lmdbStore({ path }) };
    await expect(listen(network.listener(PLACE), refused)).rejects.toBeInstanceOf(LmdbStoreError);
    const server = await listen(network.listener(PLACE));
    onTestFinished(() => server.close());
    await expect(connect(network.connector(PLACE), refused)).rejects.toBeInstanceOf(LmdbStoreError);
    await turn();
    expect(server.sessions.size).toBe(0);
  });
});

describe('the lock', () => {
  it('refuses a second opener in the same process, by any path, until the first has closed', async () => {
    const { path } = await usedStore();
    const first = lmdbStore({ path });
    await first.open();
    const link = newPath();
    symlinkSync(path, link);
    for (const way of [path, link])
      await expect(Promise.resolve(lmdbStore({ path: way }).open())).rejects.toThrow(`process ${process.pid} has it in use`);
    await first.close();
    await opened(link);
  });

  it('refuses a second process, and is free as soon as the first is killed', async () => {
    const folder = newPath();
    const holder = runChild(script, { folder, effects: join(root, 'effects'), again: [], first: 1, count: 1_000_000, inFlight: 1 });
    await holder.line('open');
    const error = await rejectionOf(lmdbStore({ path: folder }).open());
    expect(error).toMatchObject({ name: 'LmdbStoreError' });
    expect((error as Error).message).toContain(`process ${holder.process.pid} has it in use`);
    holder.process.kill('SIGKILL');
    await holder.ended;
    await opened(folder);
  });
});

describe('a store that is not open', () => {
  it('says so, and can be opened again', async () => {
    const { path } = await usedStore();
    const store = lmdbStore({ path });
    expect(() => store.lookup(keyOf(1), signatureOf(1))).toThrow('is not open');
    await store.open();
    await expect(Promise.resolve(store.open())).rejects.toThrow('it is open already');
    await store.close();
    await store.close();
    await store.open();
    expect(store.lookup(keyOf(1), signatureOf(1))).toMatchObject({ state: 'sealed' });
    await store.close();
  });

  it.each([
    [{}, /options\.path/],
    [{ path: '' }, /options\.path/],
    [{ path: 'x', retentionMs: 0 }, /options\.retentionMs/],
    [{ path: 'x', clock: {} }, /options\.clock/],
    [{ path: 'x', maxBytes: 1 }, /options\.maxBytes is not an option/],
  ])('refuses options that make no sense at once: %j', (options, message) => {
    expect(() => lmdbStore(options as never)).toThrow(message);
  });
});
