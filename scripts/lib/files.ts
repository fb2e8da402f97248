/** Reads the text files of a folder for the scripts; no more. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

/** Path below `folder`, with `/`, to text; sorted by path. A folder that is not there has no files. */
export async function readFolder(folder: string, wanted: (path: string) => boolean): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'));
  const chosen = paths.filter(wanted).toSorted();
  return new Map(await Promise.all(chosen.map(async (path) => [path, await readFile(join(folder, path), 'utf8')] as const)));
}

/** True for the TypeScript sources. */
export const isTypeScript = (path: string): boolean => path.endsWith('.ts') && !path.endsWith('.d.ts');
