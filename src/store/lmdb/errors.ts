/** What says that a folder cannot be opened as a store: what is wrong with it, and what to do. What Node and LMDB say of it becomes that too. */

export class LmdbStoreError extends Error {
  override readonly name = 'LmdbStoreError';
  readonly path: string;

  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`the operation store at ${path} cannot be opened: ${problem}`, options);
    this.path = path;
  }
}

const NO_RIGHTS = 'this process may not read and write there; give its user the rights, or use another folder';
const WHOLE_FOLDER = 'is a folder; restore the store from a copy, or move it away and begin anew';

/** What the file system says, by Node's codes, with the path that it is about. */
const PROBLEMS: Readonly<Record<string, (at: string) => string>> = {
  ENOTDIR: () => 'a part of its path is a file; give a path where a folder can be made',
  ENOENT: () => 'its path leads nowhere: a link in it has no target; mend or remove that link',
  ELOOP: () => 'its path leads nowhere: the links in it lead round in a circle; mend or remove them',
  EISDIR: (at) => `${at} ${WHOLE_FOLDER}`,
  EACCES: () => NO_RIGHTS,
  EPERM: () => NO_RIGHTS,
  EROFS: () => 'its file system is read-only; use another folder',
  ENOSPC: () => 'the disk is full; make room on it, or use another folder',
};

/** Where a store is opened everything that is thrown comes by here. */
export function storeErrorOf(path: string, error: unknown): LmdbStoreError {
  if (error instanceof LmdbStoreError) return error;
  const { code, syscall, path: at, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === undefined) return new LmdbStoreError(path, `LMDB says: ${message}`, { cause: error });
  const problem = PROBLEMS[code]?.(at ?? 'one of its files') ?? 'the file system refuses';
  return new LmdbStoreError(path, `${problem} (${message})`, { cause: error });
}
