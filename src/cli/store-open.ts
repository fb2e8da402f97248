/** A store opened for looking, for as long as somebody looks. */
import { StoreBrowser } from '../store/lmdb/browse.ts';

export async function withBrowser<T>(path: string, look: (browser: StoreBrowser) => Promise<T>): Promise<T> {
  const browser = new StoreBrowser(path);
  try {
    return await look(browser);
  } finally {
    await browser.close();
  }
}
