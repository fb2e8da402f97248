/**
 * The typed handle that calls a service: one small class per service, made once, whose methods check the options and hand the call over.
 * What a call does (ids, validation, encoding, waiting) is its caller's, normally a connection's driver.
 */
import { wakeWaiters } from './channel-unsent.ts';
import { RpcError } from './errors.ts';
import { HOLD, Hold } from './hold.ts';
import { MAX_OPERATION_ID_BYTES } from './wire/limits.ts';
import type { AnyMethod, AnyService, CallOptions, Client } from './contract-types.ts';

export type { CallOptions, Client } from './contract-types.ts';

/** Who carries a client's calls out. `options` have been checked, but for the metadata: `toMetadata` does that. */
export interface Caller {
  call(method: AnyMethod, input: unknown, options: CallOptions): Promise<unknown>;
  /** A client was made: it holds the connection until `clientReleased` (liveness.refcount). */
  clientMade(): void;
  clientReleased(): void;
}

type CallFunction = (input?: unknown, options?: CallOptions) => Promise<unknown>;

/** What every client has: who it calls, and the methods somebody asked for so far, by their place in the service. */
class ServiceClient {
  readonly #caller: Caller;
  readonly #hold: Hold;
  readonly #functions: CallFunction[] = [];

  constructor(caller: Caller) {
    this.#caller = caller;
    this.#hold = new Hold(() => caller.clientReleased());
    caller.clientMade();
  }

  /** @internal */
  get [HOLD](): Hold {
    return this.#hold;
  }

  /** `release`, for `using`. */
  [Symbol.dispose](): void {
    this.#hold.release();
  }

  /** The function of one method: bound, because people pass `client.charge` around, and made when asked for, because most clients make few calls. */
  static function(client: ServiceClient, index: number, method: AnyMethod): CallFunction {
    return (client.#functions[index] ??= bindMethod(client.#caller, client.#hold, method));
  }
}

const NO_OPTIONS: CallOptions = Object.freeze({});

function bindMethod(caller: Caller, hold: Hold, method: AnyMethod): CallFunction {
  return (input, options) => {
    try {
      if (hold.isReleased) throw released();
      if (options === undefined) return caller.call(method, input, NO_OPTIONS);
      checkCallOptions(options);
      return caller.call(method, input, options);
    } catch (error) {
      wakeWaiters(input);
      return Promise.reject(error);
    }
  };
}

function released(): RpcError {
  return new RpcError({ kind: 'connection-closed', reason: 'released', message: 'this client was released: make a new one', retryable: true });
}

const classes = new WeakMap<AnyService, new (caller: Caller) => ServiceClient>();

/** A client of `service` that calls through `caller`. Cheap: a class is made per service, an object per client. */
export function makeClient<S extends AnyService>(service: S, caller: Caller): Client<S> {
  let clientClass = classes.get(service);
  if (clientClass === undefined) classes.set(service, (clientClass = makeClientClass(service)));
  return new clientClass(caller) as unknown as Client<S>;
}

function makeClientClass(service: AnyService): new (caller: Caller) => ServiceClient {
  const clientClass = class extends ServiceClient {};
  Object.defineProperty(clientClass, 'name', { value: `${service.name}Client` });
  let index = 0;
  for (const [name, method] of Object.entries(service.methods)) {
    const place = index++;
    Object.defineProperty(clientClass.prototype, name, {
      enumerable: true,
      get(this: ServiceClient) {
        return ServiceClient.function(this, place, method);
      },
    });
  }
  return clientClass;
}

/** What a platform timer can hold: it fires at once for more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
const UTF8 = new TextEncoder();

const CALL_OPTIONS: ReadonlySet<string> = new Set(['signal', 'timeoutMs', 'metadata', 'operationId', 'onResponseMetadata']);

/** Throws a TypeError naming the option that makes no sense. Metadata is left to `toMetadata`, since an iterable can be read once. */
export function checkCallOptions(options: CallOptions): void {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  for (const name in options) if (!CALL_OPTIONS.has(name)) throw new TypeError(`options.${name} is not a call option`);
  const { signal, timeoutMs, operationId, onResponseMetadata } = options;
  if (signal !== undefined && !isAbortSignal(signal)) throw new TypeError('options.signal must be an AbortSignal');
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= LONGEST_TIMEOUT_MS)) {
    throw new TypeError(`options.timeoutMs must be a positive number of milliseconds, at most ${LONGEST_TIMEOUT_MS} (24 days)`);
  }
  if (operationId !== undefined) checkOperationId(operationId);
  if (onResponseMetadata !== undefined && typeof onResponseMetadata !== 'function') {
    throw new TypeError('options.onResponseMetadata must be a function');
  }
}

function checkOperationId(id: unknown): void {
  if (typeof id !== 'string' || id === '') throw new TypeError('options.operationId must be a string that is not empty');
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (id.length * 3 > MAX_OPERATION_ID_BYTES && (id.length > MAX_OPERATION_ID_BYTES || UTF8.encode(id).length > MAX_OPERATION_ID_BYTES)) {
    throw new TypeError(`options.operationId must be at most ${MAX_OPERATION_ID_BYTES} bytes of UTF-8`);
  }
  // UTF-8 has no lone surrogates: two such ids would become one on the wire.
  if (/\p{Surrogate}/u.test(id)) throw new TypeError('options.operationId must be well-formed: it has a lone surrogate');
}

/** By shape, because a signal may come from another realm or a polyfill. */
function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AbortSignal).aborted === 'boolean' &&
    typeof (value as AbortSignal).addEventListener === 'function'
  );
}
