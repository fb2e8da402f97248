/** What users hold of a connection: a namespace of calls inside a session (api.md, "Calling"). */
import type { AnyService, Client } from './contract.ts';
import { RpcError } from './errors.ts';
import { HOLD } from './hold.ts';
import type { Hold } from './hold.ts';
import type { Tether } from './session/tether.ts';

const tethers = new WeakMap<Connection, Tether>();

/** A connection inside a session. `Session.root` is connection 0, which lives as long as its session. */
export class Connection implements AsyncDisposable {
  /** @internal Made by the session. */
  constructor(tether: Tether) {
    tethers.set(this, tether);
  }

  /** 0 for the root. */
  get id(): number {
    return tetherOf(this).core.connectionId;
  }

  /** Whether calls can be made on it. */
  get isConnected(): boolean {
    return tetherOf(this).core.isOpen;
  }

  /** Settles when it is gone, whatever ended it (conn.closed). Never rejects. */
  get closed(): Promise<void> {
    return tetherOf(this).core.closed;
  }

  /**
   * A typed handle that calls `service` at the peer, on this connection. It holds the connection until it is released.
   * @throws RpcError `connection-closed` when this `Connection` (for the root, the `Session`) was released itself.
   */
  client<S extends AnyService>(service: S): Client<S> {
    const tether = tetherOf(this);
    if (tether.core.ownHold.isReleased)
      throw new RpcError({ kind: 'connection-closed', reason: 'released', message: 'this connection was released', retryable: true });
    return tether.client(service);
  }

  /**
   * Ends it at once: its pending calls are judged (outcome.closing), its channels are lost. Rejects for the root connection, which ends with its session:
   * close that (conn.close).
   */
  async close(): Promise<void> {
    const { core } = tetherOf(this);
    if (core.connectionId === 0) throw new TypeError('the root connection cannot be closed: close the session');
    core.close('closed');
    await core.closed;
  }

  /** @internal */
  get [HOLD](): Hold {
    return tetherOf(this).core.ownHold;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** @internal What a `Connection` stands for. */
export function tetherOf(connection: Connection): Tether {
  const tether = tethers.get(connection);
  if (tether === undefined) throw new TypeError('not a Connection of this copy of statewire');
  return tether;
}
