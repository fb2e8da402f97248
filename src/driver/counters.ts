/** What was dropped, violated or came too late, by rule: nothing is lost silently. Read as `session.counters`. */
export class Counters {
  /** Responses and cancels for a request id that nobody knows (attempt.unmatched). */
  unmatched = 0;
  /** Items for a channel that nobody knows, or that is over (channel.early, channel.terminal). */
  lateItems = 0;
  /** Ends, resets and grants for such a channel: the two ends may cross. */
  lateSignals = 0;
  /** Channels reset because their sender sent more than it was granted (credit.violation). */
  creditViolations = 0;
  /** Messages for a connection that was closed: closes cross (conn.unknown). */
  lateMessages = 0;
  /** What aborted handlers returned or threw afterwards (cancel.abort). */
  lateResults = 0;
  /** Aborted handlers whose promise has not settled yet (cancel.abort). */
  zombies = 0;
  /** Second answers of handlers: a return or throw after `fail` (attempt.one-response). */
  secondAnswers = 0;
  /** Operations joined by a duplicate while live (op.attach). */
  attached = 0;
  /** Sealed outcomes replayed (op.replay). */
  replayed = 0;
  /** Handlers started. */
  started = 0;
  /** Rules the peer broke: the first ends the session (session.protocol-error). */
  protocolErrors = 0;
  /** Payloads of a link that was replaced (resume.supersedes). */
  stalePayloads = 0;
  /** Links that were lost, or replaced by a newer one (session.outlives-link). */
  linksLost = 0;
  /** Links on which the session went on, and on which it began anew because the peer did not know it any more (resume.unknown). */
  resumed = 0;
  restarted = 0;
  /** Calls that were handed to a link a second time or more (resume.resend). */
  resent = 0;
  /** Store failures (op.store-failure). */
  storeFailures = 0;
}
