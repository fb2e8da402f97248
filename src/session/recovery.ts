/**
 * What the loss of a link means to the connections of a session, and what its next link does (resume.order). On both sides: first what was on the old link
 * is over, then each side says what it has given up, then everybody may know that there is a link, and only then are calls sent again.
 */
import type { Judgement } from '../driver/judgement.ts';
import type { ConnectionCore, SessionEnd } from './connection-core.ts';
import type { Agreement } from './handshake.ts';
import type { SessionCore } from './session-core.ts';

/** Virtual connections do not outlive the peer's session. */
const FORGOTTEN: SessionEnd = { kind: 'connection-closed', reason: 'closed', loss: 'link-lost' };

const allOf = ({ root, connections }: SessionCore): readonly ConnectionCore[] => [root, ...connections.all];

export function loseConnections(core: SessionCore): void {
  for (const connection of allOf(core)) connection.linkLost();
}

/** Goes on with a session on a new link. `publish`: tells everybody. */
export function carryOn(core: SessionCore, agreement: Agreement, publish: () => void): void {
  if (agreement.resumed) core.counters.resumed++;
  else core.counters.restarted++;
  if (agreement.resumed) {
    core.connections.linkUp();
    for (const connection of allOf(core)) connection.linkUp(agreement);
  } else {
    core.connections.restart(FORGOTTEN);
    core.root.restart(agreement);
  }
  const event = agreement.resumed ? 'resumed' : 'restarted';
  const message = agreement.resumed ? 'the session goes on' : 'the session begins anew: the peer does not know it any more';
  core.endpoint.options.log({ level: 'info', event, message: `there is a link again, and ${message}`, session: core.facade.id });
  publish();
  const { resumed, peerStoreIdentity: storeIdentity, peerRetentionMs: retentionMs } = agreement;
  const judgement: Judgement = { resumed, storeIdentity, retentionMs, nowMs: core.endpoint.options.clock.now() };
  for (const connection of allOf(core)) connection.resend(judgement);
  core.acknowledgements.soon();
}
