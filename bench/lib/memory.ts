/** How much a process grows while something goes on: its heap between two collections, its resident memory at its highest. */

const SAMPLE_MS = 50;

export interface Growth {
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** The highest resident memory in between, above that at the beginning. */
  readonly peakRssBytes: number;
}

function collected(): { heapBytes: number; rssBytes: number } {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapBytes: heapUsed, rssBytes: rss };
}

export class MemoryWatch {
  #before = { heapBytes: 0, rssBytes: 0 };
  #peakRssBytes = 0;
  #sampler: ReturnType<typeof setInterval> | undefined;

  start(): true {
    clearInterval(this.#sampler);
    this.#before = collected();
    this.#peakRssBytes = this.#before.rssBytes;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS);
    return true;
  }

  stop(): Growth {
    clearInterval(this.#sampler);
    this.#sample();
    const after = collected();
    return {
      heapBytes: after.heapBytes - this.#before.heapBytes,
      rssBytes: after.rssBytes - this.#before.rssBytes,
      peakRssBytes: this.#peakRssBytes - this.#before.rssBytes,
    };
  }

  #sample(): void {
    this.#peakRssBytes = Math.max(this.#peakRssBytes, process.memoryUsage.rss());
  }
}
