/**
 * One run of a handler: the `call` it is given, and what becomes of what it returns, throws or fails with. It tells its
 * operation, once. JavaScript cannot kill a function: an aborted run goes on as a zombie whose answer is counted and ignored
 * (cancel.abort).
 *
 *   running ──fail──▶ failing ──▶ answered        running ──return, throw──▶ answered
 *      └──abort──▶ zombie ──settles──▶ (nothing)            └──abort, while it is validated──▶ revoked
 */
import type { AnyService, CallContext, CallSession, Client, Principal } from '../contract.ts';
import type { MetadataFlags } from '../metadata.ts';
import { textOf } from '../errors.ts';
import { MetadataView } from '../metadata.ts';
import { validate } from '../schema.ts';
import type { StandardSchemaV1, Validated } from '../schema.ts';
import { packValue } from '../wire/index.ts';
import type { MetadataValue } from '../wire/index.ts';
import { isPromise, settle } from './maybe.ts';
import type { LiveOperation } from './operation.ts';
import { userFailure } from './outcome.ts';
import type { Outcome } from './outcome.ts';

/** What `fail` throws to leave the handler. Whoever catches it has been answered for already. */
class Failed extends Error {
  override readonly name = 'Failed';
}

/** Envelope bytes that a response may need besides its result. */
const RESPONSE_OVERHEAD_BYTES = 64;

export class HandlerCall implements CallContext<unknown> {
  readonly #operation: LiveOperation;
  #phase: 'running' | 'failing' | 'answered' | 'zombie' | 'revoked' = 'running';
  #abort: AbortController | undefined = undefined;
  #metadata: MetadataView | undefined = undefined;
  #overrun: unknown = undefined;

  constructor(operation: LiveOperation) {
    this.#operation = operation;
  }

  // ---- what the handler sees

  get service(): string {
    return this.#operation.method.service;
  }

  get method(): string {
    return this.#operation.method.name;
  }

  get requestId(): number {
    return this.#operation.first.message.requestId;
  }

  get connectionId(): number {
    return this.#operation.first.message.connectionId;
  }

  get operationId(): string | number | undefined {
    return this.#operation.identity?.id;
  }

  get metadata(): MetadataView {
    return (this.#metadata ??= MetadataView.of(this.#operation.first.message.metadata));
  }

  get responseMetadata(): { set(key: string, value: MetadataValue, flags?: MetadataFlags): void } {
    return this.#operation.responseMetadata;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#phase === 'zombie' || this.#phase === 'revoked') this.#abort.abort(abortReason());
    }
    return this.#abort.signal;
  }

  get principal(): Principal {
    return this.#operation.host.principal;
  }

  get session(): CallSession {
    return this.#operation.host.session;
  }

  client<S extends AnyService>(service: S): Client<S> {
    return this.#operation.host.client(service);
  }

  fail(error: unknown): never {
    if (this.#phase === 'running') {
      this.#phase = 'failing';
      this.#validated(this.#operation.method.error, error, 'error', (data) => userFailure(this.#fitting(packValue(data))));
    } else if (this.#phase !== 'zombie') {
      this.#answeredAgain(new Error(`${this.service}.${this.method} called fail() after it had answered`));
    }
    throw new Failed(`${this.service}.${this.method} failed; this error only leaves the handler and is not for catching`);
  }

  // ---- what the runtime does

  /** Runs the middleware and the handler. Never throws. */
  run(): void {
    const { options } = this.#operation.host.endpoint;
    if (options.handlerTimeoutMs !== undefined) {
      this.#overrun = options.clock.setTimeout(() => this.#operation.actor.send({ type: 'overran' }), options.handlerTimeoutMs);
    }
    let result: unknown;
    let later: Promise<unknown> | undefined;
    try {
      result = options.middleware.length === 0 ? this.#handle() : this.#through(0);
      // A user's own thenable may do anything: `resolve` sees to it that it answers once, and later.
      if (isPromise(result)) later = Promise.resolve(result);
    } catch (error) {
      this.#threw(error);
      return;
    }
    if (later === undefined) this.#returned(result);
    else
      later.then(
        (value) => this.#returned(value),
        (error: unknown) => this.#threw(error),
      );
  }

  /** Fires the signal; from here on what the handler says is ignored (cancel.abort). */
  abort(): void {
    this.#stopClock();
    if (this.#phase === 'answered') {
      this.#phase = 'revoked';
    } else {
      this.#phase = 'zombie';
      this.#operation.host.counters.zombies++;
    }
    this.#abort?.abort(abortReason());
  }

  #handle(): unknown {
    return this.#operation.served.handler(this.#operation.input, this);
  }

  async #through(index: number): Promise<unknown> {
    const middleware = this.#operation.host.endpoint.options.middleware[index];
    if (middleware === undefined) return this.#handle();
    let rest: Promise<unknown> | undefined;
    return middleware(this, () => {
      const isAgain = rest !== undefined;
      rest = isAgain ? Promise.reject(new Error(`a middleware of ${this.service}.${this.method} called next() twice`)) : this.#through(index + 1);
      // Its middleware may await it late or never: what it returns decides, and the process need not end over it.
      rest.catch(() => {});
      return rest;
    });
  }

  #returned(value: unknown): void {
    switch (this.#phase) {
      case 'running':
        this.#phase = 'answered';
        this.#validated(this.#operation.method.output, value, 'output', (parsed) => this.#encodeResult(parsed));
        return;
      case 'zombie':
        this.#late();
        return;
      case 'failing':
      case 'answered':
      case 'revoked':
        this.#answeredAgain(new Error(`${this.service}.${this.method} returned after fail(): the failure stands`));
    }
  }

  #threw(error: unknown): void {
    switch (this.#phase) {
      case 'running':
        this.#phase = 'answered';
        this.#failedByAccident(error);
        return;
      case 'zombie':
        this.#late();
        return;
      case 'failing':
      case 'answered':
      case 'revoked':
        if (!(error instanceof Failed)) this.#answeredAgain(error);
        // It has ended, whatever becomes of its failure's validation: no zombie.
        if (this.#phase === 'failing') this.#phase = 'answered';
    }
  }

  /** Checks an answer against its schema, encodes it and ends the operation with it; what does not fit is the handler's fault (outcome.invalid-payload). */
  #validated(schema: StandardSchemaV1 | undefined, value: unknown, name: string, encode: (value: unknown) => Outcome): void {
    if (schema === undefined) {
      this.#seal(value, encode);
      return;
    }
    settle<Validated>(
      () => validate(schema, value),
      (validated) => {
        if (validated.issues === undefined) {
          // The caller parses it again: it gets what the handler gave, now known to fit.
          this.#seal(value, encode);
          return;
        }
        const issue = validated.issues[0];
        this.#failedByAccident(
          new TypeError(`${this.service}.${this.method}: ${name} ${issue?.path ?? ''} does not fit its schema: ${issue?.message ?? ''}`),
        );
      },
      (error) => this.#failedByAccident(error),
    );
  }

  #seal(value: unknown, encode: (value: unknown) => Outcome): void {
    if (this.#isTooLate()) return;
    let outcome: Outcome;
    try {
      outcome = encode(value);
    } catch (error) {
      this.#failedByAccident(error);
      return;
    }
    this.#phase = 'answered';
    this.#stopClock();
    this.#operation.actor.send({ type: 'returned', outcome });
  }

  /** In place in the owner's batch where the answer may go out before it is stored; else as bytes of its own. */
  #encodeResult(value: unknown): Outcome {
    const { owner, method } = this.#operation;
    if (!method.persist && owner !== undefined) return { ok: true, result: owner.encodeResult(value) };
    return { ok: true, result: this.#fitting(packValue(value)) };
  }

  /** Throws for more bytes than the caller takes. */
  #fitting(bytes: Uint8Array): Uint8Array {
    const { peerMaxPayload } = this.#operation.host;
    if (bytes.byteLength + RESPONSE_OVERHEAD_BYTES <= peerMaxPayload) return bytes;
    throw new RangeError(`an answer of ${bytes.byteLength} bytes is above the peer's maxPayload (${peerMaxPayload} bytes)`);
  }

  #failedByAccident(error: unknown): void {
    if (this.#isTooLate()) return;
    this.#phase = 'answered';
    this.#stopClock();
    this.#tellServer(error);
    const { exposeErrors } = this.#operation.host.endpoint.options;
    this.#operation.threw(exposeErrors ? textOf(error) : undefined);
  }

  /** The operation may have been aborted while its answer was being validated. */
  #isTooLate(): boolean {
    if (this.#phase === 'revoked') this.#operation.host.counters.lateResults++;
    return this.#phase === 'revoked' || this.#phase === 'zombie';
  }

  #answeredAgain(error: unknown): void {
    this.#operation.host.counters.secondAnswers++;
    this.#tellServer(error);
  }

  #late(): void {
    const { counters } = this.#operation.host;
    counters.zombies--;
    counters.lateResults++;
    this.#operation.host.settled();
  }

  #stopClock(): void {
    if (this.#overrun === undefined) return;
    this.#operation.host.endpoint.options.clock.clearTimeout(this.#overrun);
    this.#overrun = undefined;
  }

  /** outcome.private: what happened by accident stays here. */
  #tellServer(error: unknown): void {
    const { log, onHandlerError } = this.#operation.host.endpoint.options;
    log({ level: 'error', event: 'handler-error', message: `${this.service}.${this.method} ended by accident`, requestId: this.requestId, error });
    try {
      onHandlerError(error, this);
    } catch (second) {
      log({ level: 'error', event: 'handler-error', message: 'onHandlerError itself threw', error: second });
    }
  }
}

function abortReason(): DOMException {
  return new DOMException('the call was aborted', 'AbortError');
}
