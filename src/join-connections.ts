/** Proxying (conn.proxy): makes two connections one. */
import { tetherOf } from './connection.ts';
import type { Connection } from './connection.ts';
import { Relay, whyNotJoined } from './session/relay.ts';

/**
 * Joins two connections of this process: what comes on one goes out on the other, calls, cancels, channels and credit, undecoded. Normally one is the peer's
 * (`onConnection`) and one ours (`session.open`): open that first, then accept and join in one go, since an accepted connection may be used at once. When one closes, the other one does, with its reason. Neither can make calls of its own any more.
 * @throws TypeError unless both are open and have carried nothing, our ids on them have opposite parities, and each peer takes what the other one was told it may do.
 */
export function joinConnections(a: Connection, b: Connection): void {
  const one = tetherOf(a).core;
  const other = tetherOf(b).core;
  const problem = whyNotJoined(one, other);
  if (problem !== undefined) throw new TypeError(`joinConnections: ${problem}`);
  Relay.join(one, other);
}
