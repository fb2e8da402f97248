/** How long and how often a lost peer is waited for: what users say about it, checked (session.reconnect, session.initial-wait, session.outlives-link). */
import { refuseUnknown, within } from './option-checks.ts';
import type { Range } from './option-checks.ts';

/** When the side that made the link makes it again (session.reconnect). All times in milliseconds. */
export interface ReconnectOptions {
  /** The first try comes within this. Default 500. */
  readonly baseMs?: number | undefined;
  /** How much longer each wait is than the one before it. Default 2. */
  readonly factor?: number | undefined;
  /** The longest wait. Default 30,000. */
  readonly maxMs?: number | undefined;
  /** By how much of itself a wait may differ, 0 to 1: peers that lost one server do not come back all at once. Default 0.2. */
  readonly jitter?: number | undefined;
  /** After this long without a link the session is given up, and its calls fail with `session-shutdown`. Default 120,000. */
  readonly deadlineMs?: number | undefined;
}

/** How sessions wait for a peer that has lost its link (session.outlives-link). */
export interface ResumeOptions {
  /** How long, in milliseconds: at least the `deadlineMs` of the peers. Default 150,000. */
  readonly ttlMs?: number | undefined;
  /** How many may wait at a time; beyond it the one that has waited the longest ends. Default 10,000. */
  readonly maxSessions?: number | undefined;
}

/** The dialling side's, with nothing left open. */
export interface ResolvedDialing {
  readonly reconnect: Required<{ readonly [K in keyof ReconnectOptions]: number }>;
  /** Whether a lost link is dialled again. */
  readonly resume: boolean;
  readonly waitForPeerMs: number;
}

/** The listening side's. */
export interface ResolvedResume {
  readonly ttlMs: number;
  readonly maxSessions: number;
}

const LARGEST_DELAY_MS = 2 ** 31 - 1;

const RECONNECT = {
  baseMs: { fallback: 500, least: 0, most: LARGEST_DELAY_MS },
  maxMs: { fallback: 30_000, least: 0, most: LARGEST_DELAY_MS },
  deadlineMs: { fallback: 120_000, least: 1, most: LARGEST_DELAY_MS },
} satisfies Record<string, Range>;
const RESUME = {
  ttlMs: { fallback: 150_000, least: 1, most: LARGEST_DELAY_MS },
  maxSessions: { fallback: 10_000, least: 0, most: LARGEST_DELAY_MS },
} satisfies Record<string, Range>;
const WAIT_FOR_PEER: Range = { fallback: 0, least: 0, most: LARGEST_DELAY_MS };

/** Checks what the dialling side says. Throws a TypeError that names the offending path. */
export function resolveDialing(given: { resume?: unknown; reconnect?: unknown; waitForPeerMs?: unknown }): ResolvedDialing {
  const { resume, reconnect } = given;
  if (resume !== undefined && typeof resume !== 'boolean') throw new TypeError(`options.resume must be a boolean, not ${kindOf(resume)}`);
  return {
    // Without a redial there is never a link to resume on.
    resume: resume !== false && reconnect !== false,
    reconnect: resolveReconnect(reconnect === false ? undefined : reconnect),
    waitForPeerMs: within(WAIT_FOR_PEER, 'options.waitForPeerMs', given.waitForPeerMs),
  };
}

function resolveReconnect(given: unknown): ResolvedDialing['reconnect'] {
  const { baseMs, factor, maxMs, jitter, deadlineMs, ...others } = objectOf<ReconnectOptions>('options.reconnect', given);
  refuseUnknown('options.reconnect', others);
  return {
    baseMs: within(RECONNECT.baseMs, 'options.reconnect.baseMs', baseMs),
    factor: between('options.reconnect.factor', factor, { fallback: 2, least: 1, most: 1_000 }),
    maxMs: within(RECONNECT.maxMs, 'options.reconnect.maxMs', maxMs),
    jitter: between('options.reconnect.jitter', jitter, { fallback: 0.2, least: 0, most: 1 }),
    deadlineMs: within(RECONNECT.deadlineMs, 'options.reconnect.deadlineMs', deadlineMs),
  };
}

/** Checks what the listening side says; false: a session ends with its link. */
export function resolveResume(given: unknown): ResolvedResume | false {
  if (given === false) return false;
  const { ttlMs, maxSessions, ...others } = objectOf<ResumeOptions>('options.resume', given);
  refuseUnknown('options.resume', others);
  return {
    ttlMs: within(RESUME.ttlMs, 'options.resume.ttlMs', ttlMs),
    maxSessions: within(RESUME.maxSessions, 'options.resume.maxSessions', maxSessions),
  };
}

function objectOf<T extends object>(path: string, given: unknown): T & Record<string, unknown> {
  if (given === undefined) return {} as T & Record<string, unknown>;
  if (typeof given !== 'object' || given === null) throw new TypeError(`${path} must be an object or false, not ${kindOf(given)}`);
  return given as T & Record<string, unknown>;
}

function between(path: string, given: unknown, { fallback, least, most }: Range): number {
  if (given === undefined) return fallback;
  if (typeof given === 'number' && given >= least && given <= most) return given;
  throw new TypeError(`${path} must be a number from ${least} to ${most}, not ${String(given)}`);
}

const kindOf = (value: unknown): string => (value === null ? 'null' : typeof value);
