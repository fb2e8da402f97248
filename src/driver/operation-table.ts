/**
 * The live operations of one store in this process (op.admit: one owner per id, whichever session or connection its attempts
 * came by). A space is one scope and caller; no peer can reach another's (op.scope). Numbers are found by series.
 */
import { IdTable } from '../id-table.ts';
import { LazyMap } from '../lazy-collections.ts';
import type { OperationStore } from '../store/store.ts';
import type { LiveOperation } from './operation.ts';

/** The live numbers of one series, and how far its caller has acknowledged them (op.ack). */
export class LiveSeries {
  readonly id: string;
  readonly operations = new IdTable<LiveOperation>();
  acknowledged = 0;
  /** Sessions whose own series it is. */
  users = 0;

  constructor(id: string) {
    this.id = id;
  }
}

export class OperationSpace {
  readonly scope: string;
  readonly caller: 'initiator' | 'acceptor';
  readonly #onEmpty: (space: OperationSpace) => void;
  readonly #series = new Map<string, LiveSeries>();
  readonly #named = new LazyMap<string, LiveOperation>();
  /** Who waits for a release that is on its way to the store, by the operation it is of. */
  readonly #releasing = new LazyMap<string, (() => void)[]>();
  #users = 0;
  #live = 0;

  constructor(scope: string, caller: 'initiator' | 'acceptor', onEmpty: (space: OperationSpace) => void) {
    this.scope = scope;
    this.caller = caller;
    this.#onEmpty = onEmpty;
  }

  get live(): number {
    return this.#live;
  }

  get seriesCount(): number {
    return this.#series.size;
  }

  /** A session uses the space, and a series of it as its peer's own, from here to its `leave`. */
  enter(seriesId: string): LiveSeries {
    this.#users++;
    const series = this.series(seriesId);
    series.users++;
    return series;
  }

  leave(series: LiveSeries): void {
    this.#users--;
    series.users--;
    this.#dropIfUnused(series);
  }

  series(id: string): LiveSeries {
    let series = this.#series.get(id);
    if (series === undefined) {
      series = new LiveSeries(id);
      this.#series.set(id, series);
    }
    return series;
  }

  findSeries(id: string): LiveSeries | undefined {
    return this.#series.get(id);
  }

  find(id: string | number, series: LiveSeries): LiveOperation | undefined {
    return typeof id === 'number' ? series.operations.get(id) : this.#named.get(id);
  }

  add(operation: LiveOperation, id: string | number, series: LiveSeries): void {
    if (typeof id === 'number') series.operations.set(id, operation);
    else this.#named.set(id, operation);
    this.#live++;
  }

  remove(id: string | number, series: LiveSeries): void {
    const removed = typeof id === 'number' ? series.operations.delete(id) : this.#named.delete(id);
    if (removed) this.#live--;
    this.#dropIfUnused(series);
  }

  /** The store is being told that an operation was released. The returned function says that it was, or never will be. */
  beginRelease(id: string | number, series: LiveSeries): () => void {
    const name = nameOf(id, series);
    const waiting: (() => void)[] = [];
    this.#releasing.set(name, waiting);
    return () => {
      this.#releasing.delete(name);
      this.#dropIfUnused(series);
      for (const goOn of waiting) goOn();
    };
  }

  /** Whether a release of that id is on its way to the store: a late one would undo what was admitted after it. */
  isReleasing(id: string | number, series: LiveSeries): boolean {
    return this.#releasing.size > 0 && this.#releasing.has(nameOf(id, series));
  }

  /** Goes on once it has got there. */
  afterRelease(id: string | number, series: LiveSeries, goOn: () => void): void {
    this.#releasing.get(nameOf(id, series))?.push(goOn);
  }

  /** A peer may name any number of series: none is kept for its name alone. */
  #dropIfUnused(series: LiveSeries): void {
    if (series.users === 0 && series.operations.size === 0 && this.#series.get(series.id) === series) this.#series.delete(series.id);
    if (this.#users === 0 && this.#live === 0 && this.#releasing.size === 0) this.#onEmpty(this);
  }
}

/** No two operations of a space have the same one. */
function nameOf(id: string | number, series: LiveSeries): string {
  return typeof id === 'number' ? `number ${series.id} ${id}` : `string ${id}`;
}

export class OperationTable {
  readonly #spaces = new Map<string, OperationSpace>();
  readonly #drop = (space: OperationSpace) => {
    const name = `${space.caller}:${space.scope}`;
    // One that was dropped before may have a successor.
    if (this.#spaces.get(name) === space) this.#spaces.delete(name);
    if (this.#spaces.size === 0) for (const tell of this.#waitingForIdle.splice(0)) tell();
  };
  readonly #waitingForIdle: (() => void)[] = [];

  /** Settles once no session uses the table and nothing is live or being released any more. */
  idle(): Promise<void> {
    return this.#spaces.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#waitingForIdle.push(resolve));
  }

  space(scope: string, caller: 'initiator' | 'acceptor'): OperationSpace {
    const name = `${caller}:${scope}`;
    let space = this.#spaces.get(name);
    if (space === undefined) {
      space = new OperationSpace(scope, caller, this.#drop);
      this.#spaces.set(name, space);
    }
    return space;
  }

  /** How many operations are live, of all spaces. */
  get live(): number {
    let live = 0;
    for (const space of this.#spaces.values()) live += space.live;
    return live;
  }

  get spaces(): number {
    return this.#spaces.size;
  }

  /** Series that a session has as its own or that have live operations, of all spaces. */
  get series(): number {
    let series = 0;
    for (const space of this.#spaces.values()) series += space.seriesCount;
    return series;
  }
}

const tables = new WeakMap<OperationStore, OperationTable>();

/** The table that all who use `store` in this process share. */
export function tableOf(store: OperationStore): OperationTable {
  let table = tables.get(store);
  if (table === undefined) {
    table = new OperationTable();
    tables.set(store, table);
  }
  return table;
}
