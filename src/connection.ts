/** What users hold of a connection: a namespace of calls inside a session (api.md, "Calling"). */
import type { AnyService, Client } from './contract.ts';
import type { ConnectionCore } from './session/connection-core.ts';

/** A connection inside a session. `Session.root` is connection 0, which lives as long as its session. */
export class Connection {
  readonly #core: ConnectionCore;

  /** @internal Made by the session. */
  constructor(core: ConnectionCore) {
    this.#core = core;
  }

  /** 0 for the root. */
  get id(): number {
    return this.#core.connectionId;
  }

  /** Whether calls can be made on it. */
  get isConnected(): boolean {
    return this.#core.isOpen;
  }

  /** Settles when it is gone, whatever ended it (conn.closed). */
  get closed(): Promise<void> {
    return this.#core.closed;
  }

  /** A typed handle that calls `service` at the peer, on this connection. */
  client<S extends AnyService>(service: S): Client<S> {
    return this.#core.client(service);
  }

  /** Rejects for the root connection, which ends with its session: close that (conn.close). */
  close(): Promise<void> {
    return Promise.reject(new TypeError('the root connection cannot be closed: close the session'));
  }
}
