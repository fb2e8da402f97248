/** Mutants of channels and their credit (channel.*, credit.*). */
import type { Mutant } from './mutant.ts';

const ARGUMENT_ENDS = 'src/driver/argument-ends.ts';
const BOUND_ENDS = 'src/driver/bound-ends.ts';
const RECEIVER = 'src/driver/channel-receiver.ts';
const SENDER = 'src/driver/channel-sender.ts';
const ARGS_TEST = 'test/rules/channel-args.test.ts';
const ORDER_TEST = 'test/rules/channel-order.test.ts';
const HANDLER_TEST = 'test/rules/channel-handler.test.ts';
const EARLY_TEST = 'test/rules/channel-early.test.ts';
const FLOW_TEST = 'test/rules/credit-flow.test.ts';
const VIOLATION_TEST = 'test/rules/credit-violation.test.ts';

const CHANNEL: readonly Mutant[] = [
  {
    name: 'bind-the-ends-in-another-order',
    rule: 'channel.args',
    file: BOUND_ENDS,
    find: 'const id = this.#ids[ordinal] as number;',
    replace: 'const id = this.#ids[this.#ids.length - 1 - ordinal] as number;',
    tests: [ARGS_TEST],
  },
  {
    name: 'take-a-cut-stream-for-a-whole-one',
    rule: 'channel.order',
    file: RECEIVER,
    find: 'if (this.#ending !== undefined) return Promise.reject(this.#error(this.#ending));',
    replace: 'if (this.#ending !== undefined) return Promise.resolve(OVER);',
    tests: [ORDER_TEST],
  },
  {
    name: 'read-the-newest-first',
    rule: 'channel.order',
    file: RECEIVER,
    find: '    this.#batches.push(values);',
    replace: '    this.#batches.push(values.toReversed());',
    tests: [ORDER_TEST, 'test/rules/channel-batch.test.ts'],
  },
  {
    name: 'pass-an-end-twice',
    rule: 'channel.one-owner',
    file: ARGUMENT_ENDS,
    find: `    if (pair.passed === end) return 'this channel end was passed before: make a new channel';
    if (pair.passed !== 'neither') return`,
    replace: `    if (pair.passed !== 'neither' && pair.passed !== end) return`,
    tests: [ARGS_TEST],
  },
  {
    name: 'pass-both-ends',
    rule: 'channel.one-owner',
    file: ARGUMENT_ENDS,
    find: "if (this.#found.has(pair)) return 'both ends of one channel are passed: keep one of them';",
    replace: '',
    tests: [ARGS_TEST],
  },
  {
    name: 'lose-what-came-early',
    rule: 'channel.early',
    file: BOUND_ENDS,
    find: 'if (early.values.length > 0) end.items(early.values);',
    replace: '',
    tests: [EARLY_TEST],
  },
  {
    name: 'keep-early-items-without-bound',
    rule: 'channel.early',
    file: 'src/driver/early-channels.ts',
    find: 'if (this.#keptBytes > MAX_KEPT_BYTES) return',
    replace: 'if (this.#keptBytes > 2 * MAX_KEPT_BYTES) return',
    tests: [EARLY_TEST],
  },
  {
    name: 'drop-what-arrived-before-the-loss',
    rule: 'channel.terminal',
    file: RECEIVER,
    find: "    this.actor.send({ type: 'lost', loss });",
    replace: `    this.#drop();
    this.actor.send({ type: 'lost', loss });`,
    tests: ['test/rules/mutants-channels.test.ts'],
  },
  {
    name: 'leave-a-loop-without-a-reset',
    rule: 'channel.reset',
    file: 'src/channel.ts',
    find: '    this.#rx.reset();',
    replace: '',
    tests: ['test/rules/channel-reset.test.ts'],
  },
  {
    name: 'leave-a-collected-sender-open',
    rule: 'channel.drop',
    file: SENDER,
    find: `  dropped(): void {
    this.close();`,
    replace: '  dropped(): void {',
    tests: ['test/rules/channel-drop.test.ts'],
  },
  {
    name: 'let-go-of-a-handle-that-is-waited-on',
    rule: 'channel.drop',
    file: 'src/channel-pair.ts',
    find: '    this.waitedOn = handle;',
    replace: '    this.waitedOn = handle === undefined ? handle : undefined;',
    tests: ['test/rules/channel-drop.test.ts'],
  },
  {
    name: 'forget-the-ends-of-who-joins',
    rule: 'channel.no-handler',
    file: 'src/driver/inbound.ts',
    find: "      this.channels.refuse(message.channels, 'attached');",
    replace: '',
    tests: [HANDLER_TEST],
  },
  {
    name: 'forget-the-ends-of-who-is-refused',
    rule: 'channel.no-handler',
    file: 'src/driver/attempt.ts',
    find: 'if (channels.length > 0) this.inbound.channels.refuse(',
    replace: 'if (channels.length < 0) this.inbound.channels.refuse(',
    tests: [HANDLER_TEST],
  },
  {
    name: 'leave-the-ends-of-a-handler-that-threw',
    rule: 'channel.handler-end',
    file: 'src/driver/operation.ts',
    find: "    this.ends?.reset(ending === 'handler-failed' ? 'handler-failed' : 'aborted');",
    replace: '',
    tests: [HANDLER_TEST],
  },
  {
    name: 'end-channels-with-the-response',
    rule: 'channel.independent',
    file: 'src/driver/outbound-call.ts',
    find: `    this.outbound.finished(this);
    readResponse`,
    replace: `    this.outbound.finished(this);
    this.ends?.abandoned();
    readResponse`,
    tests: [ORDER_TEST],
  },
];

const CREDIT: readonly Mutant[] = [
  {
    name: 'begin-with-other-credit',
    rule: 'credit.initial',
    file: 'src/channel.ts',
    find: 'const DEFAULT_CREDIT = 16;',
    replace: 'const DEFAULT_CREDIT = 17;',
    tests: [FLOW_TEST],
  },
  {
    name: 'spend-nothing',
    rule: 'credit.spend',
    file: 'src/machines/sender.ts',
    find: 'spend: assign(({ context }) => ({ credit: context.credit - 1 })),',
    replace: 'spend: assign(({ context }) => ({ credit: context.credit })),',
    tests: [FLOW_TEST],
  },
  {
    name: 'grant-when-all-is-consumed',
    rule: 'credit.grant',
    file: 'src/machines/receiver.ts',
    find: 'context.owed + 1 >= Math.max(1, Math.floor(context.initial / 2)),',
    replace: 'context.owed + 1 >= context.initial,',
    tests: [FLOW_TEST],
  },
  {
    name: 'grant-by-itself-without-credit',
    rule: 'credit.grant',
    file: 'src/machines/receiver.ts',
    find: 'completesBatch: ({ context }) => context.initial > 0 && ',
    replace: 'completesBatch: ({ context }) => ',
    tests: [FLOW_TEST],
  },
  {
    name: 'let-senders-sleep',
    rule: 'credit.wake',
    file: SENDER,
    find: `      this.half.letGo();
      next.reject(this.#error(this.#ending));`,
    replace: '      this.half.letGo();',
    tests: ['test/rules/credit-wake.test.ts'],
  },
  {
    name: 'take-a-credit-above-the-cap',
    rule: 'credit.cap',
    file: BOUND_ENDS,
    find: 'if (credit > maxInitialCredit) {',
    replace: 'if (credit > maxInitialCredit + 1) {',
    tests: [VIOLATION_TEST],
  },
  {
    name: 'take-an-item-too-many',
    rule: 'credit.violation',
    file: 'src/machines/receiver.ts',
    find: 'event.count <= context.credit,',
    replace: 'event.count <= context.credit + 1,',
    tests: [VIOLATION_TEST],
  },
  {
    name: 'drop-what-is-too-much-in-silence',
    rule: 'credit.violation',
    file: RECEIVER,
    find: "    this.#channels.sendReset(this.channelId, 'credit');",
    replace: '',
    tests: [VIOLATION_TEST],
  },
];

export const CHANNELS: readonly Mutant[] = [...CHANNEL, ...CREDIT];
