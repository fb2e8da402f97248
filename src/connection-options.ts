/** Virtual connections as users ask for them and decide about them (conn.open), and the checks of what they say. */
import type { Connection } from './connection.ts';
import { servedMethods } from './contract.ts';
import type { Principal, ServedMethod, ServiceImplementation } from './contract.ts';
import { NO_METADATA, toMetadata } from './metadata.ts';
import type { MetadataInput, MetadataView } from './metadata.ts';
import { IMPLEMENTATIONS, list, refuseUnknown } from './option-checks.ts';
import { resolveMaxConcurrentRequests } from './options.ts';
import type { ResolvedOptions } from './options.ts';
import type { Session } from './session/session.ts';
import type { Metadata, Parity } from './wire/index.ts';

/** What a side offers on a virtual connection. */
export interface ConnectionTerms {
  /** Served on this connection alone. Default: none. */
  readonly services?: readonly ServiceImplementation[] | undefined;
  /** Attempts the peer may have in flight with us on it. Default: as on the root. */
  readonly maxConcurrentRequests?: number | undefined;
}

export interface OpenOptions extends ConnectionTerms {
  /** Shown to the peer's `onConnection`. */
  readonly metadata?: MetadataInput | undefined;
  /** Which ids are ours on it (id.parity); the peer has the others. Default `odd`. */
  readonly parity?: Parity | undefined;
}

/** What `onConnection` decides about (conn.open). */
export interface ConnectionRequest {
  readonly metadata: MetadataView;
  readonly session: Session;
  readonly principal: Principal;
  /** Opens it. Throws an Error when it was decided before, or the peer has given it up. */
  accept(terms?: ConnectionTerms): Connection;
  /** The peer's `open` rejects with this reason. */
  reject(reason: string): void;
}

/** What a side offers on a virtual connection, checked. */
export interface ResolvedTerms {
  readonly services: ReadonlyMap<number, ServedMethod>;
  readonly maxConcurrentRequests: number;
}

/** Checks what a side offers on a virtual connection; `options` has what it leaves open. */
export function resolveTerms(given: ConnectionTerms, options: ResolvedOptions): ResolvedTerms {
  if (typeof given !== 'object' || given === null) throw new TypeError('the terms of a connection must be an object');
  const { services, maxConcurrentRequests, ...others } = given as ConnectionTerms & Record<string, unknown>;
  refuseUnknown('options', others);
  return {
    services: servedMethods(list('services', services, IMPLEMENTATIONS)),
    maxConcurrentRequests: maxConcurrentRequests === undefined ? options.maxConcurrentRequests : resolveMaxConcurrentRequests(maxConcurrentRequests),
  };
}

/** Checks the options of `open`. */
export function resolveOpen(given: OpenOptions, options: ResolvedOptions): { terms: ResolvedTerms; metadata: Metadata; parity: Parity } {
  if (typeof given !== 'object' || given === null) throw new TypeError('the options of open must be an object');
  const { metadata, parity = 'odd', ...terms } = given;
  if (parity !== 'odd' && parity !== 'even') throw new TypeError(`options.parity must be 'odd' or 'even', not ${String(parity)}`);
  return {
    terms: resolveTerms(terms, options),
    metadata: metadata === undefined ? NO_METADATA : toMetadata(metadata, 'options.metadata'),
    parity,
  };
}
