/** Where the bank keeps its journal and its operations: a folder that is removed afterwards, or one of the user's that stays. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InputError } from './exit.ts';

export interface DataFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** @throws InputError for a folder that cannot be made or has something in it: another run's orders are not this one's. */
export async function openDataFolder(given: string | undefined): Promise<DataFolder> {
  if (given === undefined) {
    const path = await mkdtemp(join(tmpdir(), 'statewire-demo-'));
    return { path, remove: () => rm(path, { recursive: true, force: true }) };
  }
  const path = resolve(given);
  const found = await contentsOf(path);
  if (found.length > 0) throw new InputError(`${given} has ${found[0]} in it: --data takes a folder that is empty or not there yet`);
  return { path, remove: () => Promise.resolve() };
}

async function contentsOf(path: string): Promise<readonly string[]> {
  try {
    await mkdir(path, { recursive: true });
    return await readdir(path);
  } catch (error) {
    throw new InputError(`${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}
