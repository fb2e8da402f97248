/**
 * Contracts: `method` describes one, `defineService` names a group of them, `implement` joins a group with its handlers. All of it happens once, at
 * start-up, and throws at once what is wrong, naming its place. Nothing here knows of sessions or wires; a client is made by client.ts.
 */
import type {
  AnyHandler,
  AnyMethod,
  AnyMethodDefinition,
  AnyService,
  Handlers,
  ServiceImplementation,
  MethodDefinition,
  MethodPolicy,
  PlainTypes,
  SchemaTypes,
  ServedMethod,
  Service,
} from './contract-types.ts';
import { isStandardSchema } from './schema.ts';
import type { StandardSchemaV1 } from './schema.ts';
import { methodId } from './wire/method-id.ts';

export type * from './contract-types.ts';

interface NoSchemas {
  readonly input?: never;
  readonly output?: never;
  readonly error?: never;
}

/** Schemas given by name. `undefined` is a part without one. */
interface Schemas<I, O, E> {
  readonly input?: I;
  readonly output?: O;
  readonly error?: E;
}

/** Schemas beside type arguments: what a schema gives must fit the type that the receiver of the value is promised. */
type TypedSchemas<I, O, E> = Schemas<
  StandardSchemaV1<unknown, I> | undefined,
  StandardSchemaV1<unknown, O> | undefined,
  StandardSchemaV1<unknown, E> | undefined
>;

type AnySchema = StandardSchemaV1 | undefined;

/** Describes a method by types alone: input, output and declared failure. Nothing is checked at run time. */
export function method<I = undefined, O = void, E = never>(options?: MethodPolicy & NoSchemas): MethodDefinition<PlainTypes<I, O, E>>;
/** Describes a method by schemas: they give the types, and validate and parse at run time. */
export function method<I extends AnySchema = undefined, O extends AnySchema = undefined, E extends AnySchema = undefined>(
  options: MethodPolicy & Schemas<I, O, E>,
): MethodDefinition<SchemaTypes<I, O, E>>;
/** Describes a method by types, with schemas for some of them. The type arguments name the types; a schema must give what they promise. */
export function method<I = undefined, O = void, E = never>(options: MethodPolicy & TypedSchemas<I, O, E>): MethodDefinition<PlainTypes<I, O, E>>;
export function method(options: MethodPolicy & Schemas<AnySchema, AnySchema, AnySchema> = {}): AnyMethodDefinition {
  for (const [name, value] of Object.entries(options)) checkMethodOption(name, value);
  return Object.freeze({
    idem: options.idem ?? false,
    persist: options.persist ?? false,
    input: options.input,
    output: options.output,
    error: options.error,
  });
}

function checkMethodOption(name: string, value: unknown): void {
  switch (name) {
    case 'idem':
    case 'persist':
      if (value === undefined || typeof value === 'boolean') return;
      throw new TypeError(`method: options.${name} must be a boolean`);
    case 'input':
    case 'output':
    case 'error':
      if (value === undefined || isStandardSchema(value)) return;
      throw new TypeError(`method: options.${name} must be a Standard Schema (version 1)`);
    default:
      throw new TypeError(`method: options.${name} is not an option: there are idem, persist, input, output, error`);
  }
}

/** Names that mean something to JavaScript itself: a client with a method `then` would be taken for a promise. */
const REFUSED_NAMES: ReadonlySet<string> = new Set(['', 'then', '__proto__', 'constructor']);

/**
 * Makes a contract of named methods. Throws a TypeError for a name that cannot be (empty, `then`, `__proto__`, `constructor`), for a value that
 * `method()` did not make, and when two methods have one id.
 */
export function defineService<D extends Readonly<Record<string, AnyMethodDefinition>>>(name: string, methods: D): Service<D> {
  if (typeof name !== 'string' || name === '') throw new TypeError('defineService: the service needs a name, a string that is not empty');
  const place = `defineService(${JSON.stringify(name)})`;
  checkRecord(methods, place);
  const byName: Record<string, AnyMethod> = Object.create(null) as Record<string, AnyMethod>;
  const byId = new Map<number, AnyMethod>();
  for (const [key, definition] of Object.entries(methods)) {
    if (REFUSED_NAMES.has(key)) throw new TypeError(`${place}: methods[${JSON.stringify(key)}]: a method cannot have this name`);
    if (!isMethodDefinition(definition)) throw new TypeError(`${place}: methods.${key} must be made by method()`);
    const named = nameMethod(name, key, definition);
    addById(byId, named, named, place);
    byName[key] = named;
  }
  return Object.freeze({ name, methods: Object.freeze(byName) as Service<D>['methods'] });
}

/** A literal `__proto__: method()` sets the prototype and adds no key: it shows only here. */
function checkRecord(methods: unknown, place: string): void {
  if (typeof methods !== 'object' || methods === null) throw new TypeError(`${place}: methods must be an object of methods`);
  const prototype = Object.getPrototypeOf(methods) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(`${place}: methods must be a plain object, and no method can be named __proto__`);
  }
}

function isMethodDefinition(value: unknown): value is AnyMethodDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<AnyMethodDefinition>).idem === 'boolean' &&
    typeof (value as Partial<AnyMethodDefinition>).persist === 'boolean'
  );
}

function nameMethod(service: string, name: string, definition: AnyMethodDefinition): AnyMethod {
  const { idem, persist, input, output, error } = definition;
  return Object.freeze({ service, name, id: methodId(service, name), idem, persist, input, output, error });
}

function addById<T>(byId: Map<number, T>, method: AnyMethod, value: T, place: string, nameOf = (other: T) => other as AnyMethod): void {
  const other = byId.get(method.id);
  if (other !== undefined) {
    const { service, name } = nameOf(other);
    throw new TypeError(`${place}: ${service}.${name} and ${method.service}.${method.name} have the same id (${method.id}): rename one`);
  }
  byId.set(method.id, value);
}

/**
 * Joins a service with its handlers: a plain object of functions, or an instance of a class that has them as methods. `this` in a handler is
 * that object. Throws a TypeError naming a handler that is missing, is not a function, or belongs to no method.
 */
export function implement<S extends AnyService>(service: S, handlers: Handlers<S>): ServiceImplementation<S> {
  const place = `implement(${service.name})`;
  if (typeof handlers !== 'object' || handlers === null) throw new TypeError(`${place}: handlers must be an object of functions`);
  refuseSuperfluous(service, handlers, place);
  const methods = new Map<number, ServedMethod>();
  for (const [name, method] of Object.entries(service.methods)) {
    methods.set(method.id, Object.freeze({ method, handler: handlerOf(handlers, name, place) }));
  }
  return Object.freeze({ service, methods });
}

/** Only of a plain object: what else an instance of a class has is its own business. */
function refuseSuperfluous(service: AnyService, handlers: object, place: string): void {
  const prototype = Object.getPrototypeOf(handlers) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return;
  for (const name of Object.keys(handlers)) {
    if (!Object.hasOwn(service.methods, name)) throw new TypeError(`${place}: handlers.${name} belongs to no method of ${service.name}`);
  }
}

function handlerOf(handlers: object, name: string, place: string): AnyHandler {
  const handler = (handlers as Record<string, unknown>)[name];
  // What every object inherits (`toString` …) is nobody's handler.
  if (handler === undefined || (!Object.hasOwn(handlers, name) && handler === (Object.prototype as unknown as Record<string, unknown>)[name])) {
    throw new TypeError(`${place}: handlers.${name} is missing`);
  }
  if (typeof handler !== 'function') throw new TypeError(`${place}: handlers.${name} must be a function`);
  return (handler as AnyHandler).bind(handlers);
}

/** Every method of several implementations by id: the table of one connection. Throws a TypeError when two have one id. */
export function servedMethods(implementations: Iterable<ServiceImplementation>): ReadonlyMap<number, ServedMethod> {
  const table = new Map<number, ServedMethod>();
  for (const implementation of implementations) {
    for (const served of implementation.methods.values()) addById(table, served.method, served, 'services', (other) => other.method);
  }
  return table;
}
