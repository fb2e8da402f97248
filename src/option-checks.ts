/** Checks of what users give as options: each throws a TypeError that names the offending path. */
import type { ServiceImplementation } from './contract.ts';

export interface Range {
  readonly fallback: number;
  readonly least: number;
  readonly most: number;
}

export function within({ fallback, least, most }: Range, path: string, given: unknown): number {
  if (given === undefined) return fallback;
  if (typeof given !== 'number' || !Number.isInteger(given) || given < least || given > most) {
    throw new TypeError(`${path} must be a whole number from ${least} to ${most}, not ${String(given)}`);
  }
  return given;
}

/** A name that means nothing is most likely a slip, whose option would be missed in silence. */
export function refuseUnknown(path: string, others: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(others)) if (value !== undefined) throw new TypeError(`${path}.${name} is not an option`);
}

type TypeName = 'boolean' | 'function' | 'object';

export function optional<T>(path: string, given: T | undefined, type: TypeName): T | undefined {
  if (given !== undefined && (typeof given !== type || given === null))
    throw new TypeError(`options.${path} must be a ${type}, not ${given === null ? 'null' : typeof given}`);
  return given;
}

export interface Elements {
  readonly are: string;
  readonly fits: (element: unknown) => boolean;
}

export const IMPLEMENTATIONS: Elements = {
  are: 'made by implement()',
  fits: (element) => typeof element === 'object' && element !== null && (element as Partial<ServiceImplementation>).methods instanceof Map,
};
const NONE: readonly never[] = Object.freeze([]);

export function list<T>(path: string, given: readonly T[] | undefined, elements: Elements): readonly T[] {
  if (given === undefined) return NONE;
  if (!Array.isArray(given)) throw new TypeError(`options.${path} must be an array, not ${given === null ? 'null' : typeof given}`);
  const wrong = given.findIndex((element) => !elements.fits(element));
  if (wrong >= 0) throw new TypeError(`options.${path}[${wrong}] must be ${elements.are}`);
  return given as readonly T[];
}

/** An object that has functions of these names. */
export function having<T extends object>(path: string, given: T | undefined, names: readonly (keyof T & string)[]): T | undefined {
  const object = optional(path, given, 'object');
  const missing = object && names.find((name) => typeof object[name] !== 'function');
  if (missing !== undefined) throw new TypeError(`options.${path}.${missing} must be a function`);
  return object;
}
