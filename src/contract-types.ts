/**
 * The types of contracts: what a method is, and what it means for the two sides. Only types; contract.ts makes the values, client.ts the clients.
 * The six types of a method travel in a property that never exists at run time (`~types`), so that plain values carry full inference.
 */
import type { MetadataFlags, MetadataInput, MetadataView } from './metadata.ts';
import type { InferInput, InferOutput, StandardSchemaV1 } from './schema.ts';
import type { MaybePromise } from './store/store.ts';
import type { MetadataValue } from './wire/messages.ts';

/** A method's types on both sides. They differ only where a schema transforms. */
export interface MethodTypes {
  readonly callerInput: unknown;
  readonly handlerInput: unknown;
  readonly handlerOutput: unknown;
  readonly callerOutput: unknown;
  readonly handlerFailure: unknown;
  readonly callerFailure: unknown;
}

/** A method whose types are the same on both sides. */
export interface PlainTypes<I, O, E> extends MethodTypes {
  readonly callerInput: I;
  readonly handlerInput: I;
  readonly handlerOutput: O;
  readonly callerOutput: O;
  readonly handlerFailure: E;
  readonly callerFailure: E;
}

/** A method described by schemas: the sender of a value gives its input side, the receiver gets its output side. */
export interface SchemaTypes<I, O, E> extends MethodTypes {
  readonly callerInput: Given<I, undefined>;
  readonly handlerInput: Parsed<I, undefined>;
  readonly handlerOutput: Given<O, void>;
  readonly callerOutput: Parsed<O, void>;
  readonly handlerFailure: Given<E, never>;
  readonly callerFailure: Parsed<E, never>;
}

type Given<S, None> = S extends StandardSchemaV1 ? InferInput<S> : None;
type Parsed<S, None> = S extends StandardSchemaV1 ? InferOutput<S> : None;

/** What becomes of a call when something goes wrong (protocol.md, "Retry policy and dispositions"). */
export interface MethodPolicy {
  /** Running it again is harmless. Default false. */
  readonly idem?: boolean | undefined;
  /** Once admitted it is carried to an outcome, and the outcome is kept. Default false. */
  readonly persist?: boolean | undefined;
}

/** A method that no service names yet: what `method()` gives. Not generic, or contextual typing would make `method()` lose its types. */
export interface AnyMethodDefinition {
  readonly idem: boolean;
  readonly persist: boolean;
  readonly input?: StandardSchemaV1 | undefined;
  readonly output?: StandardSchemaV1 | undefined;
  readonly error?: StandardSchemaV1 | undefined;
}

export interface MethodDefinition<T extends MethodTypes> extends AnyMethodDefinition {
  readonly '~types'?: T;
}

/** A method of a service, whatever its types. */
export interface AnyMethod extends AnyMethodDefinition {
  readonly service: string;
  readonly name: string;
  /** FNV-1a, 32 bits, over the UTF-8 of `service.name`: the same in every process and language. */
  readonly id: number;
}

/** A method of a service with its types. */
export interface Method<T extends MethodTypes> extends AnyMethod {
  readonly '~types'?: T;
}

/** The types that a method carries. */
export type TypesOf<M> = M extends { readonly '~types'?: infer T } ? (T extends MethodTypes ? T : MethodTypes) : MethodTypes;

export interface AnyService {
  readonly name: string;
  readonly methods: { readonly [name: string]: AnyMethod };
}

/** A contract: named methods that one side serves and the other calls. */
export interface Service<D extends Readonly<Record<string, AnyMethodDefinition>>> {
  readonly name: string;
  readonly methods: { readonly [K in keyof D]: Method<TypesOf<D[K]>> };
}

/** What a caller may say with one call. Every option may be `undefined`. */
export interface CallOptions {
  /** Aborting it ends the call with `cancelled`, reason `aborted` (cancel.caller). */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds, above 0 and at most 2^31 - 1; then the call ends with `cancelled`, reason `timeout`. */
  readonly timeoutMs?: number | undefined;
  readonly metadata?: MetadataInput | undefined;
  /** Names the intent across processes and restarts (op.id): 1 to 1,024 bytes of UTF-8. Default: the next number of the session's series. */
  readonly operationId?: string | undefined;
  /** Called with the response's metadata before the call settles. */
  readonly onResponseMetadata?: ((view: MetadataView) => void) | undefined;
}

/**
 * A method as its caller sees it. Rejects with `RpcError`, or with a TypeError for options that make no sense. The input may be left out where it may
 * be `undefined`.
 */
export type ClientMethod<T extends MethodTypes> = undefined extends T['callerInput']
  ? (input?: T['callerInput'], options?: CallOptions) => Promise<T['callerOutput']>
  : (input: T['callerInput'], options?: CallOptions) => Promise<T['callerOutput']>;

/** A service as its caller sees it. Its methods need no `this` and may be passed around. `using` releases it (liveness.refcount). */
export type Client<S extends AnyService> = { readonly [K in keyof S['methods']]: ClientMethod<TypesOf<S['methods'][K]>> } & Disposable;

/** Who is at the other end: what `authenticate` returned, or the empty string without one (session.auth). */
export type Principal = string | { readonly id: string; readonly [fact: string]: unknown };

/** What a handler may know and do of its session. */
export interface CallSession {
  readonly id: string;
  readonly principal: Principal;
  /** Calls back to the peer on the root connection. */
  client<S extends AnyService>(service: S): Client<S>;
  close(options?: { readonly graceMs?: number | undefined }): Promise<void>;
}

/** What a handler is told of its call besides the input. */
export interface CallContext<E = never> {
  /** The service's and the method's name. */
  readonly service: string;
  readonly method: string;
  readonly requestId: number;
  readonly connectionId: number;
  /** Absent where either side is without retry. */
  readonly operationId: string | number | undefined;
  readonly metadata: MetadataView;
  /** Goes back with the response. */
  readonly responseMetadata: { set(key: string, value: MetadataValue, flags?: MetadataFlags): void };
  /** Aborts on cancel, on a resume that kills the call, on overrun, and when the connection goes. */
  readonly signal: AbortSignal;
  readonly principal: Principal;
  readonly session: CallSession;
  /** Calls back to the peer over the same connection. */
  client<S extends AnyService>(service: S): Client<S>;
  /** Ends the call with the method's declared failure. Never returns; write `return call.fail(…)`, TypeScript narrows by it. */
  fail(error: E): never;
}

/** A method as its server writes it: gets the parsed input, returns the output or a promise of it. */
export type Handler<T extends MethodTypes> = (input: T['handlerInput'], call: CallContext<T['handlerFailure']>) => MaybePromise<T['handlerOutput']>;

/** One handler for every method of a service. */
export type Handlers<S extends AnyService> = { readonly [K in keyof S['methods']]: Handler<TypesOf<S['methods'][K]>> };

/** A handler whose types are forgotten: how the driver runs it. */
export type AnyHandler = (input: unknown, call: CallContext<unknown>) => unknown;

/** A method and who answers it. */
export interface ServedMethod {
  readonly method: AnyMethod;
  readonly handler: AnyHandler;
}

/** A service with its handlers: what `services` takes. */
export interface ServiceImplementation<S extends AnyService = AnyService> {
  readonly service: S;
  /** By method id. */
  readonly methods: ReadonlyMap<number, ServedMethod>;
}
