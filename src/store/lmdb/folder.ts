/**
 * The folder of an LMDB store: made, recognised and locked before anything in it is touched. It has
 *
 *   identity            who the store is, made once: the same after a restart, another one when the folder was wiped
 *   identity.new        only while it is being made: what is beside it was never used
 *   lock                held by the one process that has the store open; the operating system lets go of it when that process is gone, however
 *   data.mdb lock.mdb   LMDB's own
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock, unlock } from 'fs-native-extensions';
import { LmdbStoreError, storeErrorOf } from './errors.ts';

const IDENTITY = 'identity';
const UNFINISHED = 'identity.new';
const LOCK = 'lock';
const DATA = 'data.mdb';
const LMDB_LOCK = 'lock.mdb';
const OURS: ReadonlySet<string> = new Set([IDENTITY, UNFINISHED, LOCK, DATA, LMDB_LOCK]);
const FIRST_LINE = 'statewire operation store, LMDB, version 1';

/** A folder that is this process's alone until it is let go of. */
export interface HeldFolder {
  readonly path: string;
  readonly identity: string;
  /** Its data file was made in this process and has nothing in it. */
  readonly isNew: boolean;
  /** The new store is complete: from now on its identity counts. */
  finish(): void;
  letGo(): void;
}

/** Takes the folder, making it if it is not there or empty. Throws LmdbStoreError, having touched nothing. */
export function holdFolder(given: string): HeldFolder {
  try {
    return take(given);
  } catch (error) {
    throw storeErrorOf(given, error);
  }
}

function take(given: string): HeldFolder {
  const names = namesIn(given);
  if (names === undefined) mkdirSync(given, { recursive: true, mode: 0o700 });
  const path = realpathSync(given);
  const isNew = names === undefined || !names.includes(IDENTITY);
  if (isNew) checkEmpty(path, names ?? []);
  const known = isNew ? undefined : readIdentity(path);
  const lock = takeLock(path);
  try {
    if (known === undefined) clearUnfinished(path);
    else checkData(path);
    const identity = known ?? begin(path);
    return { path, identity, isNew, finish: () => finish(path), letGo: () => letGo(lock) };
  } catch (error) {
    letGo(lock);
    throw error;
  }
}

/** The identity of a store that is only read, beside whoever has it in use. Throws LmdbStoreError where there is none. */
export function peekIdentity(path: string): string {
  try {
    return peek(path);
  } catch (error) {
    throw storeErrorOf(path, error);
  }
}

function peek(path: string): string {
  const names = namesIn(path);
  if (names === undefined) throw new LmdbStoreError(path, 'there is no such folder');
  if (!names.includes(IDENTITY)) throw new LmdbStoreError(path, `it has no file ${IDENTITY}, so it is no store of statewire`);
  const identity = readIdentity(path);
  checkData(path);
  return identity;
}

function namesIn(path: string): readonly string[] | undefined {
  if (!existsSync(path)) return undefined;
  if (!statSync(path).isDirectory()) throw new LmdbStoreError(path, 'it is a file; give a folder, or a path where one can be made');
  return readdirSync(path);
}

function checkEmpty(path: string, names: readonly string[]): void {
  const isUnfinished = names.includes(UNFINISHED) || (names.length === 1 && names[0] === LOCK);
  const foreign = names.find((name) => !OURS.has(name) || !isUnfinished);
  if (foreign === undefined) return;
  const advice = 'give an empty folder, or a path where one can be made';
  throw new LmdbStoreError(path, `it has ${JSON.stringify(foreign)} in it and no file ${IDENTITY}, so it is no store of statewire; ${advice}`);
}

function readIdentity(path: string): string {
  const [first, identity = '', ...rest] = readFileSync(join(path, IDENTITY), 'utf8').split('\n');
  if (first !== FIRST_LINE) {
    const version = /^statewire operation store, LMDB, version (\d+)$/.exec(first ?? '')?.[1];
    throw version === undefined
      ? new LmdbStoreError(path, `its file ${IDENTITY} is damaged; restore the folder from a copy, or move it away and begin anew`)
      : new LmdbStoreError(path, `it was made by a newer statewire (version ${version} of the folder); use that one`);
  }
  if (!/^[0-9a-f]{32}$/.test(identity) || rest.join('') !== '')
    throw new LmdbStoreError(path, `its file ${IDENTITY} is damaged; restore the folder from a copy, or move it away and begin anew`);
  return identity;
}

// ---- the lock

function takeLock(path: string): number {
  // Opened for writing as well: a lock needs that.
  const lock = openSync(join(path, LOCK), 'a+', 0o600);
  if (!tryLock(lock)) {
    const holder = readFileSync(join(path, LOCK), 'utf8').trim();
    closeSync(lock);
    const who = holder === '' ? 'another process' : `process ${holder}`;
    throw new LmdbStoreError(path, `${who} has it in use, and a store is one process's; close it there, or use another folder`);
  }
  ftruncateSync(lock);
  writeSync(lock, `${process.pid}\n`);
  return lock;
}

function letGo(lock: number): void {
  ftruncateSync(lock);
  unlock(lock);
  closeSync(lock);
}

// ---- making it

/** Throws away what a process left that died while it made the store. */
function clearUnfinished(path: string): void {
  for (const name of [DATA, LMDB_LOCK, UNFINISHED]) rmSync(join(path, name), { force: true });
}

function begin(path: string): string {
  const identity = randomBytes(16).toString('hex');
  const file = openSync(join(path, UNFINISHED), 'w', 0o600);
  writeSync(file, `${FIRST_LINE}\n${identity}\n`);
  fsyncSync(file);
  closeSync(file);
  return identity;
}

function finish(path: string): void {
  renameSync(join(path, UNFINISHED), join(path, IDENTITY));
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}

// ---- the data file

const META_MAGIC = 0xbeefc0de;
/** Of a meta page: the magic number, the page size, the last page in use. */
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;
const META_BYTES = 160;

/** LMDB maps the file and believes it: what is no data file, or is cut off, is refused before. */
function checkData(path: string): void {
  const damaged = (what: string): LmdbStoreError =>
    new LmdbStoreError(path, `its file ${DATA} ${what}; restore the folder from a copy, or move it away and begin anew`);
  if (!existsSync(join(path, DATA))) throw damaged('is missing');
  const file = openSync(join(path, DATA), 'r');
  try {
    const { size } = statSync(join(path, DATA));
    const first = readMeta(file, 0);
    if (first === undefined) throw damaged('is no LMDB data file');
    const second = readMeta(file, first.pageSize);
    const least = Math.min(...[first, second].filter((meta) => meta !== undefined).map(({ lastPage, pageSize }) => (lastPage + 1) * pageSize));
    if (size < least) throw damaged(`is cut off: it has ${size} bytes of at least ${least}`);
  } finally {
    closeSync(file);
  }
}

function readMeta(file: number, at: number): { readonly pageSize: number; readonly lastPage: number } | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(file, bytes, 0, META_BYTES, at) < META_BYTES || bytes.readUInt32LE(MAGIC_AT) !== META_MAGIC) return undefined;
  return { pageSize: bytes.readUInt32LE(PAGE_SIZE_AT), lastPage: Number(bytes.readBigUInt64LE(LAST_PAGE_AT)) };
}
