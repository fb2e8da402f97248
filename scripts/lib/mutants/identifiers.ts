/** Mutants of ids, attempts and what a caller sees (id.*, attempt.*, outcome.*, meta.*). */
import type { Mutant } from './mutant.ts';

const OUTBOUND = 'src/driver/outbound.ts';
const INBOUND = 'src/driver/inbound.ts';
const HANDLER_CALL = 'src/driver/handler-call.ts';
const IDS_TEST = 'test/rules/ids.test.ts';
const LIMITS_TEST = 'test/rules/attempt-limits.test.ts';
const OUTCOMES_TEST = 'test/rules/outcomes.test.ts';
const MISSED_TEST = 'test/rules/mutants-calls.test.ts';
const METADATA_TEST = 'test/rules/metadata.test.ts';

const IDS: readonly Mutant[] = [
  {
    name: 'swap-the-parities',
    rule: 'id.parity',
    file: OUTBOUND,
    find: 'this.#nextId = host.oddIds ? 1 : 2;',
    replace: 'this.#nextId = host.oddIds ? 2 : 1;',
    tests: [IDS_TEST],
  },
  {
    name: 'reuse-an-id',
    rule: 'id.unique',
    file: OUTBOUND,
    find: `    const id = this.#nextId;
    this.#nextId += 2;`,
    replace: `    const id = this.#pending.size > 0 ? this.#nextId : this.host.oddIds ? 1 : 2;
    this.#nextId = id + 2;`,
    tests: [IDS_TEST],
  },
  {
    name: 'take-an-id-that-is-in-flight',
    rule: 'id.violation',
    file: INBOUND,
    find: 'if (this.#attempts.has(requestId)) return {',
    replace: 'if (this.#attempts.has(-requestId)) return {',
    tests: [IDS_TEST],
  },
];

const ATTEMPTS: readonly Mutant[] = [
  {
    name: 'make-the-slot-when-the-call-has-left',
    rule: 'attempt.slot-first',
    file: OUTBOUND,
    find: 'this.#pending.set(call.requestId, call);',
    replace: 'setTimeout(() => call.actor.done || this.#pending.set(call.requestId, call), 0);',
    tests: ['test/rules/attempts.test.ts'],
  },
  {
    name: 'answer-twice',
    rule: 'attempt.one-response',
    file: 'src/driver/attempt.ts',
    find: 'if (!this.#isWritten) {',
    replace: 'for (let times = 0; times < 2; times++) {',
    tests: ['test/rules/responses.test.ts'],
  },
  {
    name: 'end-the-session-over-an-unmatched-response',
    rule: 'attempt.unmatched',
    file: OUTBOUND,
    find: 'this.host.counters.unmatched++;',
    replace: "this.host.protocolError('attempt.unmatched', 'a response to nobody');",
    tests: ['test/rules/attempts.test.ts'],
  },
  {
    name: 'serve-one-call-after-the-other',
    rule: 'attempt.pipelined',
    file: INBOUND,
    find: '    admit(operation);',
    replace: `    const before = [...this.#attempts.values()].find((other) => other !== attempt && other.operation !== undefined);
    if (before === undefined) admit(operation);
    else before.actor.subscribe({ complete: () => admit(operation) });`,
    tests: ['test/rules/attempts.test.ts'],
  },
  {
    name: 'call-a-re-send-that-fails-never-sent',
    rule: 'attempt.send-failed',
    file: 'src/machines/request.ts',
    find: `        sendFailed: [
          { guard: 'wasHanded', target: 'interrupted' },
          { target: 'failed', actions: 'settleUnsent' },
        ],`,
    replace: "        sendFailed: { target: 'failed', actions: 'settleUnsent' },",
    tests: ['test/rules/resume-edges.test.ts', 'test/rules/resume-calls.test.ts'],
  },
  {
    name: 'send-one-call-too-many',
    rule: 'attempt.limit-out',
    file: OUTBOUND,
    find: 'this.#inFlight < this.host.peerMaxConcurrentRequests',
    replace: 'this.#inFlight <= this.host.peerMaxConcurrentRequests',
    tests: [LIMITS_TEST],
  },
  {
    name: 'queue-without-bound',
    rule: 'attempt.limit-out',
    file: OUTBOUND,
    find: 'if (this.#queue.size >= maxQueuedRequests) throw',
    replace: 'if (this.#queue.size >= 2 * maxQueuedRequests) throw',
    tests: [LIMITS_TEST],
  },
  {
    name: 'take-one-call-too-many',
    rule: 'attempt.limit-in',
    file: INBOUND,
    find: 'if (inFlight >= maxConcurrentRequests) return {',
    replace: 'if (inFlight > maxConcurrentRequests) return {',
    tests: [LIMITS_TEST],
  },
  {
    name: 'park-a-call-for-ever',
    rule: 'attempt.never-parked',
    file: OUTBOUND,
    find: 'if (call.actor.context.handed) call.park();',
    replace: '',
    tests: ['test/rules/resume-edges.test.ts'],
  },
  {
    name: 'count-attempts-of-the-old-link',
    rule: 'attempt.limit-link',
    file: OUTBOUND,
    find: `    this.#isResuming = true;
    this.#inFlight = 0;`,
    replace: '    this.#isResuming = true;',
    tests: ['test/rules/resume-calls.test.ts', 'test/rules/resume-edges.test.ts'],
  },
  {
    name: 'stop-counting-a-cancelled-attempt',
    rule: 'attempt.limit-link',
    file: OUTBOUND,
    find: `    this.#givenUp.set(call.requestId, call);
    this.#tellCancel(call);`,
    replace: `    this.#givenUp.set(call.requestId, call);
    this.#leaveLink(call);
    this.#tellCancel(call);`,
    tests: [MISSED_TEST],
  },
];

const OUTCOMES: readonly Mutant[] = [
  {
    name: 'give-another-reason',
    rule: 'outcome.reason',
    file: 'src/machines/operation.ts',
    find: "return { kind: unsure ? 'indeterminate' : 'cancelled', reason: 'handler-failed' };",
    replace: "return { kind: unsure ? 'indeterminate' : 'cancelled', reason: 'aborted' };",
    tests: [OUTCOMES_TEST],
  },
  {
    name: 'call-everything-retryable',
    rule: 'outcome.retryable',
    file: 'src/driver/outbound-call.ts',
    find: 'const harmless = !this.actor.context.handed || this.method.idem;',
    replace: 'const harmless = true;',
    tests: [OUTCOMES_TEST, 'test/rules/retry-off.test.ts'],
  },
  {
    name: 'deny-that-a-refusal-is-retryable',
    rule: 'outcome.retryable',
    file: 'src/driver/response-reader.ts',
    find: "retryable: kind === 'unavailable',",
    replace: 'retryable: false,',
    tests: [MISSED_TEST],
  },
  {
    name: 'be-unsure-of-an-idem-call',
    rule: 'outcome.closing',
    file: 'src/machines/request.ts',
    find: 'context.identified && context.handed && !context.idem,',
    replace: 'context.identified && context.handed,',
    tests: [OUTCOMES_TEST, 'test/rules/connections-close.test.ts'],
  },
  {
    name: 'end-the-session-when-a-handler-throws',
    rule: 'outcome.scope',
    file: HANDLER_CALL,
    find: 'this.#operation.threw(exposeErrors ? textOf(error) : undefined);',
    replace: `this.#operation.threw(exposeErrors ? textOf(error) : undefined);
    this.#operation.host.protocolError('outcome.scope', 'a handler threw');`,
    tests: [OUTCOMES_TEST],
  },
  {
    name: 'give-an-unknown-method-another-name',
    rule: 'outcome.unknown-method',
    file: INBOUND,
    find: "failure('unknown-method', undefined,",
    replace: "failure('unavailable', 'unknown-method',",
    tests: [OUTCOMES_TEST],
  },
  {
    name: 'run-on-arguments-that-do-not-fit',
    rule: 'outcome.invalid-payload',
    file: 'src/driver/admission.ts',
    find: '  if (validated.issues === undefined) {',
    replace: "  if (validated.issues === undefined || 'issues' in validated) {",
    tests: ['test/rules/invalid-payload.test.ts'],
  },
  {
    name: 'tell-the-peer-what-a-handler-threw',
    rule: 'outcome.private',
    file: HANDLER_CALL,
    find: 'this.#operation.threw(exposeErrors ? textOf(error) : undefined);',
    replace: 'this.#operation.threw(exposeErrors ? undefined : textOf(error));',
    tests: [OUTCOMES_TEST],
  },
];

const METADATA: readonly Mutant[] = [
  {
    name: 'keep-one-entry-of-a-key',
    rule: 'meta.entries',
    file: 'src/metadata.ts',
    find: 'for (const entry of given) {',
    replace: 'for (const entry of new Map([...given].map((one) => [one[0], one])).values()) {',
    tests: [METADATA_TEST],
  },
  {
    name: 'show-what-is-sensitive',
    rule: 'meta.sensitive',
    file: 'src/metadata.ts',
    find: 'if (!entries.some(([, , flags]) => (flags & SENSITIVE) !== 0)) return entries;',
    replace: 'if (entries.length >= 0) return entries;',
    tests: [METADATA_TEST],
  },
  {
    name: 'pass-everything-on',
    rule: 'meta.no-propagate',
    file: 'src/session/relay.ts',
    find: 'metadata.filter(([, , flags]) => (flags & NO_PROPAGATE) === 0)',
    replace: 'metadata',
    tests: ['test/rules/proxy-envelope.test.ts'],
  },
];

export const IDENTIFIERS: readonly Mutant[] = [...IDS, ...ATTEMPTS, ...OUTCOMES, ...METADATA];
