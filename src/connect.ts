/** The dialling side: composes a connector, a session and its store (api.md, "Calling"). */
import { servedMethods } from './contract.ts';
import { resolveOptions, resolveScope } from './options.ts';
import { resolveDialing } from './recovery-options.ts';
import { Dialer } from './session/dialer.ts';
import type { ConnectOptions } from './options.ts';
import { SessionCore } from './session/session-core.ts';
import { Session } from './session/session.ts';
import { leaseStore } from './session/store-lease.ts';
import { memoryStore } from './store/memory.ts';
import type { Connector } from './transport/link.ts';

/**
 * Dials a peer and gives the session once its handshake is done. A lost link is dialled again, and the session goes on, unless `resume` or `reconnect` is
 * false (session.outlives-link, session.reconnect).
 * @throws TypeError for options that make no sense; RpcError `refused` where either side says no; else what the connector, the store
 * or the handshake failed with.
 */
export async function connect(connector: Connector, given: ConnectOptions = {}): Promise<Session> {
  if (typeof connector?.connect !== 'function') throw new TypeError('connect needs a connector, as `tcp({ host, port })` gives');
  const options = resolveOptions(given, 'connect');
  const { reconnect, resume, waitForPeerMs } = resolveDialing(given);
  const scope = resolveScope(given.scope, options.random);
  const services = servedMethods(options.services);
  const store = options.store ?? memoryStore({ clock: options.clock });
  const endStore = await leaseStore(store, options);
  const { clock, random, maxPayload } = options;
  let connected: (session: Session) => void = () => {};
  let failed: (error: unknown) => void = () => {};
  const outcome = new Promise<Session>((resolve, reject) => {
    connected = resolve;
    failed = reject;
  });
  const core = new SessionCore({
    endpoint: { options, store, resume },
    role: 'initiator',
    scope,
    services,
    recoveryMs: reconnect.deadlineMs,
    waitForPeerMs,
    dialer: new Dialer({ connector, reconnect, limits: { maxPayload }, clock, random }),
    facade: (made) => new Session(made),
    onConnected(made) {
      connected(made.facade);
      // What settles a promise holds on to its value, and the session is its user's alone (liveness.gc).
      connected = failed = () => {};
    },
    onClosed: (made) => {
      failed(made.endError);
      if (made.isDraining) return endStore(made.graceMs);
      // Not ended by us: what `persist` calls run on may take its time, and nobody waits for it.
      void endStore(undefined);
      return undefined;
    },
  });
  core.start();
  return outcome;
}
