/**
 * The model of two peers: what every call must have been told by now, and how often every handler must have run. Written from docs/protocol.md and small enough to be
 * checked by reading: a link is up or down, an operation is live, sealed, released or abandoned, and time passes only between steps. It knows nothing of messages.
 */
export type Policy = 'volatile' | 'idem' | 'persist' | 'both' | 'stream' | 'streamIdem';
/** Who calls: the initiator calls up, the acceptor down. */
export type Direction = 'up' | 'down';
export type Place = 'root' | 'virtual';

export interface Call {
  readonly n: number;
  readonly direction: Direction;
  readonly place: Place;
  readonly policy: Policy;
  /** What its operation is known by; the same name in the other direction is another operation. */
  readonly key: string;
  readonly isNamed: boolean;
  readonly args: number;
  /** When a link took it first. */
  handedAtMs: number | undefined;
  /** What its caller was told. */
  outcome: string | undefined;
  /** Given up by its caller while there was no link: the callee has not heard of it. */
  givenUp: boolean;
  /** Its caller is dead. */
  gone: boolean;
  /** Items that its present stream has taken. */
  items: number;
  /** Its stream has begun anew, and whoever feeds it has not heard of that (resume.rebind). */
  restarted: boolean;
  stream: 'none' | 'open' | 'closed' | 'lost';
}

interface Operation {
  readonly policy: Policy;
  readonly args: number;
  state: 'live' | 'sealed' | 'released' | 'abandoned';
  /** Sealed: the outcome. Else why there is none. */
  told: string;
  owner: Call | undefined;
  waiters: Call[];
  run: number;
  sinceMs: number;
}

export type StoreKind = 'memory' | 'local';

export const RETENTION_MS = 60_000;
/** How long the initiator, and how long the acceptor waits for a link. */
export const DEADLINE_MS = 5_000;
export const TTL_MS = 10_000;

const isIdem = (policy: Policy): boolean => policy === 'idem' || policy === 'both' || policy === 'streamIdem';
const isPersist = (policy: Policy): boolean => policy === 'persist' || policy === 'both';
export const isStream = (policy: Policy): boolean => policy === 'stream' || policy === 'streamIdem';
/** op.idem-not-admitted */
const isRecorded = (policy: Policy): boolean => !isIdem(policy) || isPersist(policy);

export class Model {
  readonly storeKind: StoreKind;
  link: 'up' | 'down' = 'up';
  session: 'goes on' | 'over' = 'goes on';
  virtual: 'none' | 'open' = 'none';
  readonly calls: Call[] = [];
  /** By direction and key: every run that has begun. */
  readonly runs = new Map<string, number>();
  readonly #operations = new Map<string, Operation>();
  #nowMs = 0;
  #downSinceMs = 0;
  /** The server was killed: the next link begins anew. */
  #isForgotten = false;

  constructor(storeKind: StoreKind) {
    this.storeKind = storeKind;
  }

  pending(): Call[] {
    return this.calls.filter(({ outcome, gone }) => outcome === undefined && !gone);
  }

  /** Operations whose handler runs. */
  live(): string[] {
    return [...this.#operations].filter(([, { state }]) => state === 'live').map(([name]) => name);
  }

  call(terms: Pick<Call, 'direction' | 'place' | 'policy' | 'args'> & { name: string | undefined }): Call {
    const n = this.calls.length;
    const { name, ...rest } = terms;
    const call: Call = {
      ...{ n, ...rest, key: name ?? `#${n}`, isNamed: name !== undefined, handedAtMs: undefined, outcome: undefined },
      ...{ givenUp: false, gone: false, items: 0, restarted: false, stream: isStream(terms.policy) ? 'open' : 'none' },
    };
    this.calls.push(call);
    if (this.link === 'up') this.#deliver(call);
    return call;
  }

  /** The handler of a live operation ends: by a value, by `fail`, or by throwing. */
  end(name: string, how: 'value' | 'user' | 'throws'): void {
    const operation = this.#operations.get(name) as Operation;
    if (how === 'throws') this.#release(name, operation, { reason: 'handler-failed', told: thrown(operation.policy) });
    else this.#seal(operation, `${how} of run ${operation.run}`);
  }

  cancel(call: Call): void {
    call.outcome = 'cancelled:aborted';
    if (call.stream === 'open') call.stream = 'lost';
    if (this.link === 'up') this.#cancelAtCallee(call);
    else if (call.handedAtMs !== undefined) call.givenUp = true;
  }

  send(call: Call): void {
    call.items++;
    call.restarted = false;
  }

  /** Its handler has all, and returns; unless whoever closes takes a second beginning for the rest of the first: a cut stream never looks complete. */
  closeStream(call: Call): void {
    const name = nameOf(call);
    call.stream = 'closed';
    if (call.restarted) this.#release(name, this.#operations.get(name) as Operation, { reason: 'handler-failed', told: 'cancelled:handler-failed' });
    else this.#seal(this.#operations.get(nameOf(call)) as Operation, `value of run ${this.runs.get(nameOf(call))}, ${call.items} items`);
  }

  cut(): void {
    this.link = 'down';
    this.#downSinceMs = this.#nowMs;
    // resume.order: handlers with channels are aborted, their operations released.
    for (const [name, operation] of this.#operations) {
      operation.waiters = [];
      if (operation.state === 'live' && isStream(operation.policy)) this.#end(name, operation, { state: 'released', told: 'channels' });
    }
    for (const call of this.pending()) if (call.stream === 'open' && call.policy === 'stream' && call.handedAtMs !== undefined) call.stream = 'lost';
  }

  heal(): void {
    this.link = 'up';
    const fresh = this.#isForgotten;
    this.#isForgotten = false;
    // cancel.offline, before any re-send; a fresh session has nobody to tell.
    for (const call of this.calls) {
      if (call.givenUp && !fresh) this.#cancelAtCallee(call);
      call.givenUp = false;
    }
    if (fresh) this.#closeVirtual();
    // Connection by connection, the root first.
    const inOrder = this.pending().toSorted((one, other) => Number(one.place === 'virtual') - Number(other.place === 'virtual'));
    for (const call of inOrder) this.#sendAgain(call, fresh);
  }

  /** The server is killed, and another one has taken its place when the link is back. */
  crash(): void {
    if (this.link === 'up') this.cut();
    this.#isForgotten = true;
    for (const call of this.pending()) if (call.direction === 'down') call.gone = true;
    for (const [name, operation] of this.#operations) {
      if (name.startsWith('up')) this.#loseOwner(name, operation);
      else this.#loseCaller(name, operation);
    }
  }

  open(): void {
    this.virtual = 'open';
  }

  /** Its caller side closes the virtual connection. */
  close(): void {
    this.#closeVirtual();
    for (const [name, operation] of this.#operations) {
      if (operation.state !== 'live') continue;
      operation.waiters = operation.waiters.filter(({ place }) => place === 'root');
      if (operation.owner?.place === 'root' || operation.owner === undefined) continue;
      // The earliest waiter owns (cancel.callee).
      [operation.owner] = operation.waiters;
      if (operation.owner === undefined) this.#ownerLeft(name, operation);
    }
  }

  pass(durationMs: number): void {
    this.#nowMs += durationMs;
    const withoutLinkMs = this.link === 'down' ? this.#nowMs - this.#downSinceMs : 0;
    if (withoutLinkMs >= DEADLINE_MS) this.#giveUp('up');
    if (withoutLinkMs >= TTL_MS) this.#giveUp('down');
    // op.expiry: what is settled goes; a string id is unknown then.
    for (const [name, { state, sinceMs }] of this.#operations)
      if (state !== 'live' && state !== 'abandoned' && sinceMs + RETENTION_MS <= this.#nowMs) this.#operations.delete(name);
  }

  /** A call arrives at its callee. */
  #deliver(call: Call): void {
    call.handedAtMs ??= this.#nowMs;
    const name = nameOf(call);
    const found = this.#operations.get(name);
    if (found !== undefined && (found.args !== call.args || found.policy !== call.policy)) {
      this.#tell(call, 'invalid-payload:conflict');
    } else if (found?.state === 'live') {
      found.waiters.push(call);
      found.owner ??= call;
    } else if (found?.state === 'sealed') {
      this.#tell(call, found.told);
    } else if (found !== undefined && !isIdem(call.policy)) {
      this.#tell(call, `indeterminate:${found.told}`);
    } else {
      this.#start(name, call);
    }
  }

  #start(name: string, call: Call): void {
    const run = (this.runs.get(name) ?? 0) + 1;
    this.runs.set(name, run);
    const { policy, args } = call;
    this.#operations.set(name, { policy, args, state: 'live', told: '', owner: call, waiters: [call], run, sinceMs: 0 });
    if (isStream(policy)) Object.assign(call, { items: 0, stream: 'open', restarted: run > 1 });
  }

  #sendAgain(call: Call, fresh: boolean): void {
    const isNew = call.handedAtMs === undefined;
    // Only the welcome tells a retention; the acceptor reckons with a quarter of an hour.
    const isOld =
      !isNew && call.direction === 'up' && call.isNamed && !isIdem(call.policy) && this.#nowMs - (call.handedAtMs as number) >= RETENTION_MS;
    const sameStore = this.storeKind === 'local';
    if (isNew || isIdem(call.policy)) this.#deliver(call);
    else if (isOld) this.#tell(call, 'indeterminate:expired');
    else if (fresh) {
      if (call.policy === 'persist' && sameStore) this.#deliver(call);
      else this.#tell(call, 'indeterminate:store-lost');
    } else if (call.policy === 'stream') this.#tell(call, 'indeterminate:channels');
    else this.#deliver(call);
  }

  /** cancel.callee */
  #cancelAtCallee(call: Call): void {
    const name = nameOf(call);
    const operation = this.#operations.get(name);
    if (operation?.state !== 'live') return;
    const owns = operation.owner === call;
    operation.waiters = operation.waiters.filter((waiter) => waiter !== call);
    if (owns && !isPersist(operation.policy)) this.#release(name, operation, { reason: 'released', told: 'cancelled:aborted' });
  }

  /** The connection of its attempts is gone, and nobody of another session waits. */
  #ownerLeft(name: string, operation: Operation): void {
    operation.waiters = [];
    operation.owner = undefined;
    if (!isPersist(operation.policy)) this.#end(name, operation, { state: 'released', told: 'released' });
  }

  /** The process that ran it is dead (op.indeterminate). */
  #loseOwner(name: string, operation: Operation): void {
    if (this.storeKind === 'memory') this.#operations.delete(name);
    else if (operation.state === 'live') this.#end(name, operation, { state: 'abandoned', told: 'abandoned' });
  }

  /** Who asked for it is dead, and its session with it. That is known when a new one has taken its place. */
  #loseCaller(name: string, operation: Operation): void {
    if (operation.state === 'live') this.#ownerLeft(name, operation);
  }

  #seal(operation: Operation, told: string): void {
    const { waiters } = operation;
    Object.assign(operation, { state: 'sealed', told, waiters: [], owner: undefined, sinceMs: this.#nowMs });
    for (const call of waiters) this.#tell(call, told);
  }

  /** Ends without an outcome, and its waiters are told (retry.disposition). */
  #release(name: string, operation: Operation, { reason, told }: { reason: string; told: string }): void {
    const { waiters } = operation;
    this.#end(name, operation, { state: 'released', told: reason });
    for (const call of waiters) this.#tell(call, told);
  }

  #end(name: string, operation: Operation, ending: { state: 'released' | 'abandoned'; told: string }): void {
    if (isRecorded(operation.policy)) Object.assign(operation, ending, { waiters: [], owner: undefined, sinceMs: this.#nowMs });
    else this.#operations.delete(name);
  }

  #tell(call: Call, outcome: string): void {
    if (call.outcome !== undefined || call.gone) return;
    call.outcome = outcome;
    if (call.stream === 'open') call.stream = 'lost';
  }

  /** conn.close: its pending calls are judged as in outcome.closing. */
  #closeVirtual(): void {
    this.virtual = 'none';
    for (const call of this.pending()) if (call.place === 'virtual') this.#judge(call, 'connection-closed:closed', 'indeterminate:closed');
  }

  #giveUp(direction: Direction): void {
    this.session = 'over';
    for (const call of this.pending()) if (call.direction === direction) this.#judge(call, 'session-shutdown:deadline', 'indeterminate:deadline');
  }

  #judge(call: Call, harmless: string, unknown: string): void {
    this.#tell(call, call.handedAtMs === undefined || isIdem(call.policy) ? harmless : unknown);
  }
}

export const nameOf = ({ direction, key }: Pick<Call, 'direction' | 'key'>): string => `${direction} ${key}`;

/** retry.disposition, the first two rows. */
function thrown(policy: Policy): string {
  return isPersist(policy) || policy === 'stream' ? 'indeterminate:handler-failed' : 'cancelled:handler-failed';
}
