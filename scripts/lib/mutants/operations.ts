/** Mutants of what an operation is, what it becomes, and how it is cancelled (op.*, retry.*, cancel.*). */
import type { Mutant } from './mutant.ts';

const OPERATION = 'src/driver/operation.ts';
const CHART = 'src/machines/operation.ts';
const ADMISSION = 'src/driver/admission.ts';
const INBOUND = 'src/driver/inbound.ts';
const OUTBOUND = 'src/driver/outbound.ts';
const OPERATIONS_TEST = 'test/rules/operations.test.ts';
const STORE_TEST = 'test/rules/operation-store.test.ts';
const SCOPES_TEST = 'test/rules/scopes.test.ts';
const CANCEL_TEST = 'test/rules/cancel.test.ts';
const ACKNOWLEDGEMENT_TEST = 'test/rules/acknowledgement.test.ts';

const IDENTITY: readonly Mutant[] = [
  {
    name: 'ignore-the-id-that-is-given',
    rule: 'op.id',
    file: 'src/driver/outbound-call.ts',
    find: '(given.options.operationId ?? host.series.next())',
    replace: 'host.series.next()',
    tests: [SCOPES_TEST],
  },
  {
    name: 'number-two-series-as-one',
    rule: 'op.id',
    file: INBOUND,
    find: "message.series === undefined || typeof id === 'string' ? peerSeries : space.series(message.series)",
    replace: 'peerSeries',
    tests: [SCOPES_TEST],
  },
  {
    name: 'forget-who-was-authenticated',
    rule: 'op.scope',
    file: 'src/session/handshake.ts',
    find: "new TextEncoder().encode(typeof principal === 'string' ? principal : principal.id)",
    replace: "new TextEncoder().encode(typeof principal === 'string' ? '' : '')",
    tests: [SCOPES_TEST],
  },
  {
    name: 'admit-before-validating',
    rule: 'op.order',
    file: ADMISSION,
    find: '  settle<Validated>(',
    replace: `  if (operation.isAdmittedToStore && operation.identity !== undefined)
    void operation.host.endpoint.store.admit(operation.identity.key, operation.signature, admitOptions(operation));
  settle<Validated>(`,
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'decode-before-comparing',
    rule: 'op.order',
    file: ADMISSION,
    find: '  if (isWaiting(operation)) inquire(LOOKING_UP, operation);',
    replace: `  if (!isWaiting(operation)) return;
  try {
    operation.decodeInput();
  } catch {
    refuse(operation, failure('invalid-payload', 'malformed', ''));
    return;
  }
  inquire(LOOKING_UP, operation);`,
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'run-one-operation-per-session',
    rule: 'op.admit',
    file: 'src/driver/operation-table.ts',
    find: 'let table = tables.get(store);',
    replace: 'let table = undefined as OperationTable | undefined;',
    tests: [OPERATIONS_TEST, 'test/rules/connections-operations.test.ts'],
  },
  {
    name: 'run-a-duplicate-by-itself',
    rule: 'op.attach',
    file: INBOUND,
    find: 'const live = space.find(id, series);',
    replace: 'const live = undefined as ReturnType<typeof space.find>;',
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'compare-no-arguments',
    rule: 'op.conflict',
    file: INBOUND,
    find: ' && sameBytes(live.signature.args, message.args)',
    replace: '',
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'compare-no-arguments-in-the-store',
    rule: 'op.conflict',
    file: 'src/store/memory.ts',
    find: 'if (record.methodId !== signature.methodId || !sameBytes(record.args, signature.args)) return CONFLICT;',
    replace: 'if (record.methodId !== signature.methodId) return CONFLICT;',
    tests: [OPERATIONS_TEST],
  },
];

const ENDS: readonly Mutant[] = [
  {
    name: 'replay-a-failure-as-a-value',
    rule: 'op.replay',
    file: 'src/driver/outcome.ts',
    find: 'return userFailure(bytes);',
    replace: 'return { ok: true, result: bytes };',
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'run-again-what-is-sealed',
    rule: 'op.replay',
    file: ADMISSION,
    find: "const rerun = operation.method.idem && (found.state === 'released'",
    replace: "const rerun = operation.method.idem && (found.state === 'sealed' || found.state === 'released'",
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'deny-that-an-abandoned-operation-may-have-run',
    rule: 'op.indeterminate',
    file: ADMISSION,
    find: "failure('indeterminate', 'abandoned',",
    replace: "failure('unavailable', 'abandoned',",
    tests: [STORE_TEST],
  },
  {
    name: 'be-unsure-of-an-abandoned-idem-operation',
    rule: 'op.indeterminate',
    file: ADMISSION,
    find: "(found.state === 'released' || found.state === 'abandoned')",
    replace: "found.state === 'released'",
    tests: [STORE_TEST],
  },
  {
    name: 'deny-that-a-released-operation-may-have-run',
    rule: 'op.released',
    file: ADMISSION,
    find: "failure('indeterminate', found.reason, 'the operation ended before",
    replace: "failure('cancelled', found.reason, 'the operation ended before",
    tests: [STORE_TEST],
  },
  {
    name: 'seal-what-was-thrown',
    rule: 'op.seal',
    file: 'src/driver/handler-call.ts',
    find: 'this.#operation.threw(exposeErrors ? textOf(error) : undefined);',
    replace: "this.#operation.actor.send({ type: 'returned', outcome: userFailure(packValue(exposeErrors)) });",
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'answer-before-the-seal',
    rule: 'op.seal-durable',
    file: CHART,
    find: "actions: ['announceSealing', 'seal'] },",
    replace: "actions: ['announceSealing', 'answerOutcome', 'seal'] },",
    tests: [STORE_TEST],
  },
  {
    name: 'start-before-the-admission',
    rule: 'op.seal-durable',
    file: ADMISSION,
    find: '  inquire(ADMITTING, operation);',
    replace: `  operation.actor.send(ADMITTED);
  inquire(ADMITTING, operation);`,
    tests: [STORE_TEST],
  },
  {
    name: 'run-when-the-store-has-failed',
    rule: 'op.store-failure',
    file: ADMISSION,
    find: "  refuse(operation, failure('unavailable', 'store', 'the store cannot admit it now'));",
    replace: '  operation.actor.send(ADMITTED);',
    tests: [STORE_TEST],
  },
  {
    name: 'believe-unavailable-of-a-re-sent-call',
    rule: 'op.store-failure',
    file: 'src/machines/request.ts',
    find: "event.verdict === 'unavailable' && context.resent && !context.idem,",
    replace: "event.verdict === 'unavailable' && context.resent && !context.handed,",
    tests: ['test/rules/resume-store.test.ts'],
  },
  {
    name: 'forget-a-waiter',
    rule: 'op.waiters',
    file: 'src/driver/waiters.ts',
    find: `    this.#others = undefined;
    first?.actor.send(event);
    if (others !== undefined)`,
    replace: `    this.#others = undefined;
    first?.actor.send(event);
    if (others === undefined)`,
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'answer-the-last-first',
    rule: 'op.waiters',
    file: 'src/driver/waiters.ts',
    find: `    this.#others = undefined;
    first?.actor.send(event);
    if (others !== undefined) for (const attempt of others) attempt.actor.send(event);`,
    replace: `    this.#others = undefined;
    if (others !== undefined) for (const attempt of others) attempt.actor.send(event);
    first?.actor.send(event);`,
    tests: [OPERATIONS_TEST],
  },
  {
    name: 'admit-what-is-idem',
    rule: 'op.idem-not-admitted',
    file: OPERATION,
    find: 'return this.identity !== undefined && (this.method.persist || !this.method.idem);',
    replace: 'return this.identity !== undefined;',
    tests: [STORE_TEST],
  },
  {
    name: 'acknowledge-what-is-not-settled',
    rule: 'op.ack',
    file: 'src/driver/series.ts',
    find: 'if (first === this.#watermark + 1) {',
    replace: 'if (first > this.#watermark) {',
    tests: [ACKNOWLEDGEMENT_TEST],
  },
  {
    name: 'keep-what-is-acknowledged',
    rule: 'op.ack',
    file: 'src/store/memory.ts',
    find: 'series.raiseMark(mark, this.#discard);',
    replace: 'series.raiseMark(0, this.#discard);',
    tests: [ACKNOWLEDGEMENT_TEST],
  },
  {
    name: 'run-a-forgotten-number-as-new',
    rule: 'op.expiry',
    file: 'src/store/forgotten-numbers.ts',
    find: 'if (id <= this.#mark) return true;',
    replace: 'if (id <= this.#mark) return false;',
    tests: [ACKNOWLEDGEMENT_TEST, 'test/stores/memory.test.ts'],
  },
  {
    name: 're-send-a-string-id-whose-record-is-gone',
    rule: 'op.expiry',
    file: 'src/driver/judgement.ts',
    find: 'judgement.nowMs - call.handedAtMs >= judgement.retentionMs',
    replace: 'judgement.nowMs - call.handedAtMs >= 2 * judgement.retentionMs',
    tests: ['test/rules/judgement.test.ts'],
  },
];

const RETRY: readonly Mutant[] = [
  {
    name: 're-send-without-operation-ids',
    rule: 'retry.off',
    file: OUTBOUND,
    find: 'call.actor.send(call.operationId === undefined ? LOST_WITHOUT_ID : LINK_LOST);',
    replace: 'call.actor.send(LINK_LOST);',
    tests: ['test/rules/resume-calls.test.ts', 'test/rules/retry-off.test.ts'],
  },
  {
    name: 'take-channels-of-a-persist-call',
    rule: 'retry.persist-no-channels',
    file: INBOUND,
    find: 'served.method.persist && message.channels.length > 0',
    replace: 'served.method.persist && message.channels.length < 0',
    tests: ['test/rules/channel-policy.test.ts'],
  },
  {
    name: 'give-channels-to-a-persist-call',
    rule: 'retry.persist-no-channels',
    file: 'src/driver/argument-ends.ts',
    find: 'if (this.#method?.persist === true)',
    replace: 'if (this.#method?.persist === undefined)',
    tests: ['test/rules/channel-policy.test.ts'],
  },
  {
    name: 'be-sure-of-a-volatile-call-with-channels',
    rule: 'retry.disposition',
    file: CHART,
    find: 'const unsure = policy.persist || (policy.channels && !harmless);',
    replace: 'const unsure = policy.persist || (policy.channels && harmless);',
    tests: ['test/rules/channel-policy.test.ts'],
  },
  {
    name: 'be-sure-of-a-persist-call',
    rule: 'retry.disposition',
    file: CHART,
    find: 'const unsure = policy.persist || (policy.channels && !harmless);',
    replace: 'const unsure = policy.channels && !harmless;',
    tests: ['test/rules/dispositions.test.ts'],
  },
];

const CANCEL: readonly Mutant[] = [
  {
    name: 'tell-nobody-of-a-cancel',
    rule: 'cancel.caller',
    file: OUTBOUND,
    find: `    this.#givenUp.set(call.requestId, call);
    this.#tellCancel(call);`,
    replace: '    this.#givenUp.set(call.requestId, call);',
    tests: [CANCEL_TEST],
  },
  {
    name: 'fire-no-signal',
    rule: 'cancel.abort',
    file: 'src/driver/handler-call.ts',
    find: 'this.#abort?.abort(abortReason());',
    replace: '',
    tests: ['test/rules/dispositions.test.ts'],
  },
  {
    name: 'let-a-waiter-abort',
    rule: 'cancel.callee',
    file: OPERATION,
    find: "this.actor.send({ type: 'cancelled', owns: this.owner === attempt, attempt });",
    replace: "this.actor.send({ type: 'cancelled', owns: true, attempt });",
    tests: [CANCEL_TEST],
  },
  {
    name: 'abort-a-persist-operation',
    rule: 'cancel.callee',
    file: CHART,
    find: 'runsOn: ({ context }) => context.persist && context.identified,',
    replace: 'runsOn: ({ context }) => context.persist && !context.identified,',
    tests: [CANCEL_TEST, STORE_TEST],
  },
  {
    name: 'name-nothing-that-was-given-up',
    rule: 'cancel.offline',
    file: OUTBOUND,
    find: `      this.#enterLink(call);
      this.#tellCancel(call);`,
    replace: '      this.#enterLink(call);',
    tests: ['test/rules/cancel-offline.test.ts'],
  },
  {
    name: 'close-channels-by-a-cancel',
    rule: 'cancel.channels',
    file: 'src/driver/outbound-call.ts',
    find: "if (this.actor.value === 'queued') this.ends?.abandoned();",
    replace: 'this.ends?.abandoned();',
    tests: ['test/rules/channel-handler.test.ts'],
  },
  {
    name: 'cancel-what-is-answered',
    rule: 'cancel.race',
    file: CHART,
    find: "        cancelled: { guard: 'onlyWaits', actions: 'detachWaiter' },",
    replace: `        cancelled: [
          { guard: 'onlyWaits', actions: 'detachWaiter' },
          { target: 'released', actions: { type: 'answerEnding', params: { ending: 'cancelled' } } },
        ],`,
    tests: ['test/rules/mutants-calls.test.ts'],
  },
];

export const OPERATIONS: readonly Mutant[] = [...IDENTITY, ...ENDS, ...RETRY, ...CANCEL];
