/**
 * What a value may be, and how many bytes it takes at most: one walk before it is packed, because msgpackr packs in silence what no
 * peer could unpack (functions, class instances, typed arrays). The walk keeps no path; only a value that fails is walked again,
 * slowly, to say where.
 */

import { ChannelEnd, END_MARK_BYTES } from './channel-ends.ts';
import type { EndCollector } from './channel-ends.ts';
import { ValueError } from './errors.ts';
import { MAX_DEPTH } from './limits.ts';
import { hasUtf8 } from './utf8.ts';

/** What `measure` gives for a value that has no encoding. Far below zero, so that sums stay below zero. */
const FAULT = -Infinity;
const INT64_MIN = -(2n ** 63n);
const UINT64_END = 2n ** 64n;

function stringBound(text: string): number {
  return hasUtf8(text) ? 5 + 3 * text.length : FAULT;
}

function bigintBound(value: bigint): number {
  if (value >= INT64_MIN && value < UINT64_END) return 9;
  return 32 + value.toString(16).length;
}

let boxesSeen = 0;
let mustBox = false;

/** Whether the value last measured holds a Map or a Set, which msgpackr packs as something else unless they are boxed. */
export function needsBoxing(): boolean {
  return mustBox;
}

/** Who is shown the channel ends of the value being measured; undefined where there may be none. */
let collector: EndCollector | undefined = undefined;
/** Why the last end was not taken. */
let endProblem: string | undefined = undefined;

/**
 * The most bytes `value` takes when packed. Throws ValueError where some part of it has no encoding. `ends` is shown every channel end in it, in
 * order; without it, a channel end has no encoding (channel.args).
 */
export function measure(value: unknown, ends?: EndCollector): number {
  const before = boxesSeen;
  // A getter may encode another value meanwhile: what is its own is put back.
  const outer = collector;
  collector = ends;
  try {
    ends?.begin();
    const bound = boundOf(value, 0);
    // Counted and compared, not set and reset, for the same reason.
    mustBox = boxesSeen !== before;
    if (bound >= 0) return bound;
    ends?.begin();
    throw explain(value);
  } finally {
    collector = outer;
  }
}

/** A mark is an extension of fixed size. */
const END_BOUND = 2 + END_MARK_BYTES;

function endBound(end: ChannelEnd): number {
  endProblem = collector === undefined ? 'a channel end can only be passed in the argument of a call' : collector.take(end);
  return endProblem === undefined ? END_BOUND : FAULT;
}

function boundOf(value: unknown, depth: number): number {
  switch (typeof value) {
    case 'string':
      return stringBound(value);
    case 'number':
      return 9;
    case 'boolean':
      return 1;
    case 'undefined':
      return 3;
    case 'bigint':
      return bigintBound(value);
    case 'object':
      return value === null ? 1 : objectBound(value, depth);
    default:
      return FAULT;
  }
}

function objectBound(value: object, depth: number): number {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null)
    return depth >= MAX_DEPTH ? FAULT : propertiesBound(value as Record<string, unknown>, depth + 1);
  if (prototype === Array.prototype && Array.isArray(value)) return depth >= MAX_DEPTH ? FAULT : elementsBound(value, depth + 1);
  if (value instanceof Uint8Array) return 5 + value.length;
  if (prototype === Date.prototype) return Number.isNaN((value as Date).getTime()) ? FAULT : 15;
  if (value instanceof ChannelEnd) return endBound(value);
  if (depth >= MAX_DEPTH || (prototype !== Map.prototype && prototype !== Set.prototype)) return FAULT;
  boxesSeen += 1;
  return value instanceof Map ? entriesBound(value, depth + 1) : itemsBound(value as Set<unknown>, depth + 1);
}

const { hasOwnProperty } = Object.prototype;

function propertiesBound(value: Record<string, unknown>, depth: number): number {
  let bound = 5;
  // Without a list of the keys, which would cost as much as all else here.
  for (const key in value) {
    if (!hasOwnProperty.call(value, key)) continue;
    if (key === '__proto__') return FAULT;
    bound += stringBound(key) + boundOf(value[key], depth);
    // Not left to the sum: a cycle's walk is as wide as the value to the power of MAX_DEPTH unless the first fault ends it.
    if (bound < 0) return FAULT;
  }
  return bound;
}

function elementsBound(value: readonly unknown[], depth: number): number {
  let bound = 5;
  for (let index = 0; index < value.length; index++) {
    const element = value[index];
    bound += element === undefined && !(index in value) ? FAULT : boundOf(element, depth);
    if (bound < 0) return FAULT;
  }
  return bound;
}

function entriesBound(value: ReadonlyMap<unknown, unknown>, depth: number): number {
  let bound = 11;
  for (const [key, entry] of value) {
    bound += boundOf(key, depth) + boundOf(entry, depth);
    if (bound < 0) return FAULT;
  }
  return bound;
}

function itemsBound(value: ReadonlySet<unknown>, depth: number): number {
  let bound = 11;
  for (const item of value) {
    bound += boundOf(item, depth);
    if (bound < 0) return FAULT;
  }
  return bound;
}

/** One container of a value, while its parts are looked at. */
interface Frame {
  readonly parts: Iterator<readonly [step: string, part: unknown]>;
  readonly container: object;
  readonly path: string;
}

/** The error for the first part of `value` that has no encoding. */
function explain(value: unknown): ValueError {
  const top = problemOf(value, '$', []);
  if (top !== undefined) return top;
  const frames: Frame[] = isContainer(value) ? [{ parts: partsOf(value), container: value, path: '$' }] : [];
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const next = frame.parts.next();
    if (next.done === true) {
      frames.pop();
      continue;
    }
    const [step, part] = next.value;
    const path = frame.path + step;
    const problem = problemOf(part, path, frames);
    if (problem !== undefined) return problem;
    if (isContainer(part)) frames.push({ parts: partsOf(part), container: part, path });
  }
  return new ValueError('$', 'the value changed while it was encoded');
}

function isContainer(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype === Object.prototype ||
    prototype === null ||
    prototype === Array.prototype ||
    prototype === Map.prototype ||
    prototype === Set.prototype
  );
}

function problemOf(value: unknown, path: string, frames: readonly Frame[]): ValueError | undefined {
  if (isContainer(value)) {
    if (frames.some((frame) => frame.container === value)) return new ValueError(path, 'a value may not contain itself');
    if (frames.length >= MAX_DEPTH) return new ValueError(path, `a value may be nested ${MAX_DEPTH} deep at most`);
    if (Object.getPrototypeOf(value) !== Map.prototype && Object.hasOwn(value, '__proto__')) {
      return new ValueError(`${path}.__proto__`, 'a property may not be named __proto__');
    }
    return undefined;
  }
  if (boundOf(value, 0) >= 0) return undefined;
  if (value instanceof ChannelEnd) return new ValueError(path, endProblem ?? 'a channel end that cannot be passed');
  return new ValueError(path, `${describe(value)} cannot be sent`);
}

function describe(value: unknown): string {
  if (value === HOLE) return 'a hole in an array';
  if (typeof value === 'string') return 'a string with a lone surrogate, which has no UTF-8,';
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (value instanceof Date && Object.getPrototypeOf(value) === Date.prototype) return 'an invalid Date';
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object with a prototype of its own';
}

/** Stands for an element that is not there; has no encoding itself. */
const HOLE = Symbol('hole');
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

function* partsOf(container: object): Generator<readonly [step: string, part: unknown]> {
  if (container instanceof Map) {
    let index = 0;
    for (const [key, value] of container) {
      yield [`<key ${index}>`, key];
      yield [`<value ${index}>`, value];
      index += 1;
    }
  } else if (container instanceof Set) {
    let index = 0;
    for (const item of container) yield [`<item ${index++}>`, item];
  } else if (Array.isArray(container)) {
    for (let index = 0; index < container.length; index++) yield [`[${index}]`, index in container ? container[index] : HOLE];
  } else {
    for (const [key, value] of Object.entries(container)) {
      const step = IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
      if (!hasUtf8(key)) yield [step, key];
      yield [step, value];
    }
  }
}
