/**
 * A clock for tests, that stands still until told. It fits wherever the runtime takes a clock, and XState's `clock` option too. It goes
 * from deadline to deadline, so a timer that sets the next one is never skipped over. It knows nothing of who uses it.
 */

interface Timer {
  readonly dueMs: number;
  /** Timers of one deadline run in the order they were set. */
  readonly order: number;
  readonly run: () => void;
}

/** See the top of the file. Times are milliseconds. */
export class SimulatedClock {
  #nowMs: number;
  #lastOrder = 0;
  readonly #timers = new Map<number, Timer>();
  readonly #queue = new TimerHeap();
  #advancing: Promise<void> = Promise.resolve();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** How many timers are set and have not run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** When the next timer is due; undefined: none is set. */
  get nextDeadlineMs(): number | undefined {
    return this.#nextTimer()?.dueMs;
  }

  /** A delay that is not a positive number counts as 0: the next step of the clock runs it. */
  setTimeout(run: () => void, delayMs: number): unknown {
    const order = ++this.#lastOrder;
    const timer = { dueMs: this.#nowMs + (delayMs > 0 ? delayMs : 0), order, run };
    this.#timers.set(order, timer);
    this.#queue.push(timer);
    return order;
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as number);
  }

  /**
   * Lets time pass: stops at every deadline in order, runs its timers, and lets promises and deliveries of a memory network settle before
   * and after each. Rejects with what a timer throws. Calls that overlap run one after another.
   */
  advance(durationMs: number): Promise<void> {
    const done = this.#advancing.then(() => this.#stepUntil(durationMs));
    this.#advancing = done.catch(() => {});
    return done;
  }

  /** The same at one go, for code without promises: nothing settles between deadlines. */
  increment(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    while (this.#runNextDeadline(endMs));
    this.#nowMs = endMs;
  }

  async #stepUntil(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await settle();
    while (this.#runNextDeadline(endMs)) await settle();
    this.#nowMs = endMs;
  }

  /** Goes to the next deadline up to `endMs` and runs what is due there. False: there is none. */
  #runNextDeadline(endMs: number): boolean {
    const first = this.#nextTimer();
    if (first === undefined || first.dueMs > endMs) return false;
    this.#nowMs = first.dueMs;
    // A timer set by one of these for right now is a deadline of its own: it runs after what this one has started.
    const lastOrder = this.#lastOrder;
    for (let timer = this.#nextTimer(); timer?.dueMs === this.#nowMs && timer.order <= lastOrder; timer = this.#nextTimer()) {
      this.#queue.pop();
      this.#timers.delete(timer.order);
      timer.run();
    }
    return true;
  }

  #nextTimer(): Timer | undefined {
    let first = this.#queue.peek();
    while (first !== undefined && !this.#timers.has(first.order)) {
      this.#queue.pop();
      first = this.#queue.peek();
    }
    return first;
  }
}

/** Taken when the module loads: a test may fake the global one. */
const afterIo: (job: () => void) => void = typeof setImmediate === 'function' ? setImmediate : (job) => setTimeout(job, 0);

/** Rounds of the event loop that settling takes: a memory network goes on in the next round after many deliveries in this one. */
const SETTLE_ROUNDS = 3;

async function settle(): Promise<void> {
  for (let round = 0; round < SETTLE_ROUNDS; round++) await new Promise<void>((resolve) => afterIo(resolve));
}

/** A binary heap by deadline, then order. */
class TimerHeap {
  readonly #items: Timer[] = [];

  peek(): Timer | undefined {
    return this.#items[0];
  }

  push(timer: Timer): void {
    const items = this.#items;
    let at = items.length;
    items.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, items[parent] as Timer)) break;
      items[at] = items[parent] as Timer;
      at = parent;
    }
    items[at] = timer;
  }

  pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1] as Timer, items[child] as Timer)) child++;
      if (!isBefore(items[child] as Timer, last)) break;
      items[at] = items[child] as Timer;
      at = child;
    }
    items[at] = last;
  }
}

function isBefore(left: Timer, right: Timer): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}
