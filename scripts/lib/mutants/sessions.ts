/** Mutants of sessions, lost links and what comes after them (session.*, resume.*). */
import type { Mutant } from './mutant.ts';

const CHART = 'src/machines/session.ts';
const CORE = 'src/session/session-core.ts';
const PRESENT_LINK = 'src/session/present-link.ts';
const RESUMABLE = 'src/session/resumable-sessions.ts';
const JUDGEMENT = 'src/driver/judgement.ts';
const INBOUND = 'src/driver/inbound.ts';
const RESUME_CALLS_TEST = 'test/rules/resume-calls.test.ts';
const RESUME_CHANNELS_TEST = 'test/rules/resume-channels.test.ts';
const RESUME_KEY_TEST = 'test/rules/resume-key.test.ts';
const SUPERSEDES_TEST = 'test/rules/resume-supersedes.test.ts';
const HANDSHAKE_TEST = 'test/rules/handshake.test.ts';
const RECONNECT_TEST = 'test/rules/reconnect.test.ts';

const SESSION: readonly Mutant[] = [
  {
    name: 'read-what-comes-with-the-hello',
    rule: 'session.handshake',
    file: 'src/session/handshaking.ts',
    find: 'first?.type !== expected || rest.length > 0',
    replace: 'first?.type !== expected || rest.length < 0',
    tests: [HANDSHAKE_TEST],
  },
  {
    name: 'resume-as-somebody-else',
    rule: 'session.auth',
    file: RESUMABLE,
    find: 'if (entry !== undefined && entry.scopeDigest !== agreement.scopeDigest)',
    replace: "if (entry !== undefined && entry.scopeDigest === '')",
    tests: [RESUME_KEY_TEST, 'test/rules/authentication.test.ts', 'test/rules/resume-handshake.test.ts'],
  },
  {
    name: 'take-any-principal',
    rule: 'session.auth',
    file: 'src/session/handshake.ts',
    find: 'if (isPrincipal(principal)) return principal;',
    replace: 'if (isPrincipal(principal) || principal !== null) return principal as Principal;',
    tests: ['test/rules/authentication.test.ts'],
  },
  {
    name: 'break-off-without-a-word',
    rule: 'session.protocol-error',
    file: PRESENT_LINK,
    find: "if (ending?.type === 'protocolError' && !isReported)",
    replace: "if (ending?.type === 'protocolError' && isReported)",
    tests: ['test/rules/protocol-errors.test.ts'],
  },
  {
    name: 'hear-pongs-only-as-silence',
    rule: 'session.keepalive',
    file: 'src/session/keep-alive.ts',
    find: '    this.#heard++;',
    replace: '',
    tests: ['test/rules/keep-alive.test.ts'],
  },
  {
    name: 'wait-too-long-for-a-pong',
    rule: 'session.keepalive',
    file: 'src/session/keep-alive.ts',
    find: 'clock.setTimeout(judge, 0)), this.#times.timeoutMs);',
    replace: 'clock.setTimeout(judge, 0)), 10 * this.#times.timeoutMs);',
    tests: ['test/rules/keep-alive.test.ts'],
  },
  {
    name: 'take-a-large-hello',
    rule: 'session.handshake-limits',
    file: PRESENT_LINK,
    find: 'line.limitInbound(HANDSHAKE_MAX_PAYLOAD);',
    replace: 'line.limitInbound(HANDSHAKE_MAX_PAYLOAD * 4);',
    tests: [HANDSHAKE_TEST],
  },
  {
    name: 'begin-one-session-too-many',
    rule: 'session.capacity',
    file: 'src/listen.ts',
    find: 'this.connected.size < capacity.maxSessions',
    replace: 'this.connected.size <= capacity.maxSessions',
    tests: ['test/rules/capacity.test.ts'],
  },
  {
    name: 'begin-new-operations-while-draining',
    rule: 'session.drain',
    file: CORE,
    find: "return this.#ending?.type === 'close';",
    replace: 'return false;',
    tests: ['test/rules/drain.test.ts'],
  },
  {
    name: 'end-with-the-link',
    rule: 'session.outlives-link',
    file: CHART,
    find: 'isResumable: ({ context }) => context.resumable,',
    replace: 'isResumable: ({ context }) => context.resumable && context.recoveryMs < 0,',
    tests: [RESUME_CALLS_TEST],
  },
  {
    name: 'never-back-off',
    rule: 'session.reconnect',
    file: 'src/session/dialer.ts',
    find: 'baseMs * factor ** this.#tries * (1 - jitter',
    replace: 'baseMs * factor * (1 - jitter',
    tests: [RECONNECT_TEST],
  },
  {
    name: 'try-again-after-a-final-failure',
    rule: 'session.reconnect',
    file: CHART,
    find: "isFinal: ({ event }) => event.type === 'dialFailed' && event.final,",
    replace: "isFinal: ({ event }) => event.type === 'dialFailed' && !event.final,",
    tests: [RECONNECT_TEST],
  },
  {
    name: 'forget-the-last-failure',
    rule: 'session.initial-wait',
    file: CORE,
    find: "this.#ending = this.#lastFailure ?? { type: 'slowHandshake' };",
    replace: "this.#ending = { type: 'slowHandshake' };",
    tests: ['test/rules/reconnect-first.test.ts'],
  },
  {
    name: 'never-complete-the-status',
    rule: 'session.status',
    file: CORE,
    find: '    this.#status$?.complete();',
    replace: '',
    tests: ['test/rules/session-status.test.ts'],
  },
];

const RESUME: readonly Mutant[] = [
  {
    name: 'keep-the-old-key-for-ever',
    rule: 'resume.key',
    file: RESUMABLE,
    find: 'if (entry !== undefined) entry.previousKey = undefined;',
    replace: 'if (entry?.dial === -1) entry.previousKey = undefined;',
    tests: [RESUME_KEY_TEST],
  },
  {
    name: 'drop-the-old-key-at-once',
    rule: 'resume.key',
    file: RESUMABLE,
    find: '    entry.previousKey = key;',
    replace: '    entry.previousKey = undefined;',
    tests: [RESUME_KEY_TEST],
  },
  {
    name: 'take-a-late-hello',
    rule: 'resume.supersedes',
    file: RESUMABLE,
    find: 'if (same !== undefined && agreement.dial <= same.dial)',
    replace: 'if (same !== undefined && agreement.dial < same.dial)',
    tests: [SUPERSEDES_TEST],
  },
  {
    name: 'hear-a-link-that-was-replaced',
    rule: 'resume.supersedes',
    file: PRESENT_LINK,
    find: `    if (line !== this.#line) {
      core.counters.stalePayloads++;
      return;
    }`,
    replace: '',
    tests: [SUPERSEDES_TEST],
  },
  {
    name: 'skip-the-resume-barrier',
    rule: 'resume.order',
    file: 'src/driver/driver.ts',
    find: "    this.channels.loseOpened({ kind: 'connection-closed', reason: 'link-lost' });",
    replace: '',
    tests: [RESUME_CHANNELS_TEST],
  },
  {
    name: 'let-handlers-with-channels-run-on',
    rule: 'resume.order',
    file: INBOUND,
    find: '!operation.actor.context.channels && operation.waiters.size === 0',
    replace: 'operation.waiters.size === 0',
    tests: [RESUME_CHANNELS_TEST],
  },
  {
    name: 'send-again-before-the-generation-is-published',
    rule: 'resume.order',
    file: 'src/session/recovery.ts',
    find: `  publish();
  const { resumed, peerStoreIdentity: storeIdentity, peerRetentionMs: retentionMs } = agreement;
  const judgement: Judgement = { resumed, storeIdentity, retentionMs, nowMs: core.endpoint.options.clock.now() };
  for (const connection of allOf(core)) connection.resend(judgement);`,
    replace: `  const { resumed, peerStoreIdentity: storeIdentity, peerRetentionMs: retentionMs } = agreement;
  const judgement: Judgement = { resumed, storeIdentity, retentionMs, nowMs: core.endpoint.options.clock.now() };
  for (const connection of allOf(core)) connection.resend(judgement);
  publish();`,
    tests: ['test/rules/mutants-resume.test.ts'],
  },
  {
    name: 're-send-a-volatile-call-with-channels',
    rule: 'resume.resend',
    file: JUDGEMENT,
    find: "if (judgement.resumed) return call.channels ? 'channels' : undefined;",
    replace: 'if (judgement.resumed) return undefined;',
    tests: [RESUME_CHANNELS_TEST],
  },
  {
    name: 'leave-behind-what-was-never-sent',
    rule: 'resume.resend',
    file: 'src/driver/outbound.ts',
    find: "else if (value === 'interrupted' || (value === 'queued' && call.args !== undefined)) this.#lineUp(call);",
    replace: "else if (value === 'interrupted') this.#lineUp(call);",
    tests: [RESUME_CALLS_TEST, RESUME_CHANNELS_TEST],
  },
  {
    name: 'begin-a-stream-again-without-a-word',
    rule: 'resume.rebind',
    file: 'src/driver/rebinding.ts',
    find: 'else half.port = isTold ? successor : new InterruptedSender(half, successor);',
    replace: 'else half.port = successor;',
    tests: [RESUME_CHANNELS_TEST],
  },
  {
    name: 'drop-the-stale-close-guard',
    rule: 'resume.stale-close',
    file: 'src/driver/channel-sender.ts',
    find: `    if (this.#ending !== undefined) return;
    const beyond`,
    replace: `    if (this.#ending?.type === 'lost') this.transmitEnd();
    if (this.#ending !== undefined) return;
    const beyond`,
    tests: [RESUME_CHANNELS_TEST],
  },
  {
    name: 'abort-every-handler-at-a-loss',
    rule: 'resume.live',
    file: INBOUND,
    find: 'const runsOn = operation.identity !== undefined && ',
    replace: 'const runsOn = operation.identity === undefined && ',
    tests: [RESUME_CALLS_TEST],
  },
  {
    name: 'count-two-generations-and-no-more',
    rule: 'resume.generations',
    file: CORE,
    find: '    this.generation++;',
    replace: '    this.generation = Math.min(this.generation + 1, 2);',
    tests: [RESUME_CALLS_TEST],
  },
  {
    name: 'trust-a-store-that-did-not-admit-it',
    rule: 'resume.unknown',
    file: JUDGEMENT,
    find: "return call.persist && call.handedTo === judgement.storeIdentity ? undefined : 'store-lost';",
    replace: "return call.persist ? undefined : 'store-lost';",
    tests: ['test/rules/restart.test.ts'],
  },
  {
    name: 'raise-no-fence',
    rule: 'resume.unknown',
    file: 'src/session/greeting.ts',
    find: 'await endpoint.store.fence(agreement.scopeDigest, agreement.peerSeries, agreement.dial);',
    replace: 'await Promise.resolve();',
    tests: ['test/rules/restart.test.ts'],
  },
];

export const SESSIONS: readonly Mutant[] = [...SESSION, ...RESUME];
