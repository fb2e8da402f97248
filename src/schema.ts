/**
 * Standard Schema v1 (https://standardschema.dev): what zod, valibot, arktype and others have in common. The interface is copied here, as its
 * authors recommend, so that no dependency comes with it. `validate` runs a schema and flattens its answer; who validates when is the driver's.
 */
import type { MaybePromise } from './store/store.ts';

/** Anything that validates and transforms a value, and says the types of both sides. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': StandardSchemaProps<Input, Output>;
}

export interface StandardSchemaProps<Input = unknown, Output = Input> {
  readonly version: 1;
  readonly vendor: string;
  readonly validate: (value: unknown) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
}

export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] };

export interface StandardSchemaIssue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** What a schema takes, before parsing. */
export type InferInput<S extends StandardSchemaV1> = NonNullable<S['~standard']['types']>['input'];
/** What a schema gives, after parsing. */
export type InferOutput<S extends StandardSchemaV1> = NonNullable<S['~standard']['types']>['output'];

/** Where a value does not fit and why. `path` is written as in JavaScript (`items[0].sku`); empty for the value itself. */
export interface ValidationIssue {
  readonly path: string;
  readonly message: string;
}

export type Validated = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly ValidationIssue[] };

/**
 * Validates and parses a value. A schema that answers at once is answered at once, without a promise. A schema that throws is at fault
 * itself, not the value: its error is thrown on (or rejects).
 */
export function validate(schema: StandardSchemaV1, value: unknown): MaybePromise<Validated> {
  const result = schema['~standard'].validate(value);
  return 'then' in result ? result.then(flatten) : flatten(result);
}

/** True for an object or function that offers Standard Schema v1. */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const props = (value as Partial<StandardSchemaV1>)['~standard'];
  return typeof props === 'object' && props !== null && props.version === 1 && typeof props.validate === 'function';
}

function flatten(result: StandardSchemaResult<unknown>): Validated {
  if (!result.issues) return { value: result.value };
  return { issues: result.issues.map((issue) => ({ path: pathText(issue.path ?? []), message: issue.message })) };
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

function pathText(path: NonNullable<StandardSchemaIssue['path']>): string {
  let text = '';
  for (const segment of path) {
    const key = typeof segment === 'object' ? segment.key : segment;
    if (typeof key === 'string' && IDENTIFIER.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${typeof key === 'string' ? JSON.stringify(key) : String(key)}]`;
  }
  return text;
}
