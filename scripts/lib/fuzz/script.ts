/**
 * What a hostile peer is going to say in one session: steps made before it begins, so that they can be printed, left out and repeated. Most of what it
 * says is nearly in order, since what there is to break is behind the first checks: a valid conversation whose messages are changed, doubled and mixed.
 */
import { decodeMessages, encodeMessage, encodeMessages, encodeValue, methodId, PROTOCOL_VERSION } from 'statewire/wire';
import type { CallMessage, HelloMessage, Message, WelcomeMessage } from 'statewire/wire';
import type { SeededRandom } from 'statewire/testing';
import { mutate } from './bytes.ts';
import * as grammar from './grammar.ts';

export type Role = 'initiator' | 'acceptor';

export interface Step {
  /** Said as one payload; of a `greet`, what is said first, with the key that the peer was told where `resumes`. */
  readonly payload: Uint8Array;
  /** How many messages were put into it: what counts as inputs. */
  readonly inputs: number;
  readonly kind: 'say' | 'greet';
  readonly resumes: boolean;
  /** How many turns it waits for what comes of it. */
  readonly turns: number;
}

export interface Script {
  /** What the fuzzer plays. */
  readonly role: Role;
  /** Nothing but calls that are in order: each must be answered rightly. */
  readonly isTame: boolean;
  readonly steps: readonly Step[];
}

const ECHOING = ['echo', 'idem', 'persist'] as const;
export const ECHO_IDS: ReadonlySet<number> = new Set(ECHOING.map((name) => methodId('Fuzzed', name)));
const OTHERS = ['wait', 'sink', 'source', 'fails', 'unheard-of'] as const;
const LIMITS = { maxConcurrentRequests: 64, maxPayload: 16 * 1024 * 1024, maxConnections: 16, maxInitialCredit: 1_024 };

function hello(dice: SeededRandom): HelloMessage {
  return {
    ...{ type: 'hello', version: PROTOCOL_VERSION, role: 'initiator', parity: 'odd', limits: LIMITS },
    features: { retry: dice.chance(0.9), resume: dice.chance(0.3) },
    // Few scopes: what one session has left is found by another one.
    scope: new Uint8Array(32).fill(dice.below(4)),
    series: dice.bytes(8).reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), ''),
    ...{ dial: 1, storeIdentity: 'fuzzed' },
  };
}

function welcome(dice: SeededRandom): WelcomeMessage {
  return {
    ...{ type: 'welcome', version: PROTOCOL_VERSION, role: 'acceptor', parity: 'even', limits: LIMITS },
    features: { retry: dice.chance(0.9), resume: dice.chance(0.5) },
    ...{ sessionId: 'fuzzed', series: 'ff66554433221100', storeIdentity: 'fuzzed', retentionMs: 900_000, resumed: false },
    resumeKey: dice.chance(0.7) ? dice.bytes(32) : undefined,
  };
}

/** One connection, as whoever speaks on it in order counts: the ids it used last, and its channels by what it does on them. */
interface Lane {
  readonly connectionId: number;
  request: number;
  channel: number;
  readonly sends: number[];
  readonly receives: number[];
}

/** What a peer that speaks in order keeps in mind. */
interface Mind {
  readonly role: Role;
  readonly retry: boolean;
  readonly lanes: Lane[];
  connection: number;
  /** How likely a message is not what it should be. */
  readonly wildness: number;
}

/** The ids of a side begin at 1 or 2. */
const laneOf = (connectionId: number, parity: 'odd' | 'even'): Lane => {
  const before = parity === 'odd' ? -1 : 0;
  return { connectionId, request: before, channel: before, sends: [], receives: [] };
};

function mindOf(role: Role, retry: boolean, wildness: number): Mind {
  const parity = role === 'initiator' ? 'odd' : 'even';
  return { role, retry, lanes: [laneOf(0, parity)], connection: parity === 'odd' ? -1 : 0, wildness };
}

function withEnd(kind: number, credit: number): Uint8Array {
  const mark = [0xd7, 0x43, kind, 0, 0, 0, credit >>> 24, (credit >>> 16) & 0xff, (credit >>> 8) & 0xff, credit & 0xff];
  return Uint8Array.from([0x81, 0xa3, ...new TextEncoder().encode('end'), ...mark]);
}

function operationOf(dice: SeededRandom, mind: Mind, requestId: number): string | number | undefined {
  if (!mind.retry) return undefined;
  return dice.chance(0.6) ? requestId : (grammar.operationId(dice) ?? requestId);
}

/** A call that is served, the next of its side. */
function nextCall(dice: SeededRandom, mind: Mind): CallMessage {
  const lane = dice.pick(mind.lanes);
  const name = dice.chance(0.7) ? dice.pick(ECHOING) : dice.pick(OTHERS);
  const requestId = (lane.request += 2);
  const common = {
    type: 'call',
    connectionId: lane.connectionId,
    requestId,
    methodId: methodId('Fuzzed', name),
    metadata: grammar.metadata(dice),
  } as const;
  const operationId = operationOf(dice, mind, requestId);
  if (name !== 'sink' && name !== 'source') return { ...common, operationId, channels: [], args: encodeValue(grammar.value(dice, 2)) };
  const channelId = (lane.channel += 2);
  (name === 'sink' ? lane.sends : lane.receives).push(channelId);
  const credit = dice.chance(0.97) ? dice.below(64) : dice.pick([64, 65, 2 ** 32 - 1]);
  return { ...common, operationId, channels: [channelId], args: withEnd(name === 'sink' ? 0 : 1, credit) };
}

/** What usually follows: items and credit on a channel there is, a cancel of a call that was made. */
function followUp(dice: SeededRandom, mind: Mind): Message {
  const lane = dice.pick(mind.lanes);
  const { connectionId } = lane;
  const sends = { connectionId, channelId: lane.sends.at(-1 - dice.below(3)) ?? 0 };
  const receives = { connectionId, channelId: lane.receives.at(-1 - dice.below(3)) ?? 0 };
  const kind = dice.below(10);
  if (kind < 5 && sends.channelId > 0) {
    if (kind < 2) return { ...sends, type: 'item', value: encodeValue(grammar.value(dice, 1)) };
    if (kind < 4) return { ...grammar.messageOf('items', dice), ...sends };
    return dice.chance(0.5) ? { ...sends, type: 'end' } : { ...sends, type: 'reset' };
  }
  if (kind < 7 && receives.channelId > 0)
    return dice.chance(0.8) ? { ...receives, type: 'grant', credit: dice.between(1, 9) } : { ...receives, type: 'reset' };
  if (kind < 8) return { type: 'cancel', connectionId, requestId: Math.max(1, lane.request - 2 * dice.below(4)) };
  if (kind < 9) return dice.chance(0.5) ? { type: 'ping', nonce: dice.below(9) } : { type: 'ack', series: grammar.SERIES[0], upTo: dice.below(9) };
  return { ...grammar.messageOf('response', dice), connectionId: 0, requestId: dice.between(1, 8) };
}

/** A connection is opened, and used only when it may have been accepted. */
function openStep(dice: SeededRandom, mind: Mind): Step {
  const parity = dice.chance(0.8) ? 'odd' : 'even';
  const connectionId = (mind.connection += 2);
  mind.lanes.push(laneOf(connectionId, parity));
  const limits = { maxConcurrentRequests: 64 };
  return { ...say([{ type: 'open', connectionId, parity, limits, metadata: grammar.metadata(dice) }], 4) };
}

/** One is closed, and mostly not used any more. */
function closeStep(dice: SeededRandom, mind: Mind): Step {
  const lane = mind.lanes.at(-1);
  if (lane === undefined || lane.connectionId === 0) return wildStep(dice, mind);
  if (dice.chance(0.8)) mind.lanes.pop();
  return say([{ type: 'close', connectionId: lane.connectionId }], dice.below(2));
}

/** One field of one message is another one's, or what it was is said of another kind. */
function shake(message: Message, dice: SeededRandom): Message {
  const other = grammar.messageOf(message.type, dice) as unknown as Record<string, unknown>;
  const names = Object.keys(message).filter((name) => name !== 'type' && name in other);
  if (names.length === 0 || message.type === 'response') return grammar.message(dice);
  const name = dice.pick(names);
  return { ...message, [name]: other[name] };
}

function sayAnything(dice: SeededRandom, mind: Mind): Message {
  const message = dice.chance(0.55) ? nextCall(dice, mind) : followUp(dice, mind);
  if (!dice.chance(mind.wildness)) return message;
  return dice.chance(0.7) ? shake(message, dice) : grammar.message(dice);
}

function say(messages: readonly Message[], turns: number): Step {
  return { payload: encodeMessages(messages), inputs: messages.length, kind: 'say', resumes: false, turns };
}

function wildStep(dice: SeededRandom, mind: Mind): Step {
  const messages = Array.from({ length: dice.between(1, 8) }, () => sayAnything(dice, mind));
  if (dice.chance(mind.wildness)) messages.push(...messages.slice(-2));
  const step = say(messages, dice.chance(0.4) ? 1 : 0);
  return dice.chance(mind.wildness) ? { ...step, payload: mutate(step.payload, dice) } : step;
}

function nextStep(dice: SeededRandom, mind: Mind): Step {
  if (dice.chance(0.12)) return openStep(dice, mind);
  return dice.chance(0.04) ? closeStep(dice, mind) : wildStep(dice, mind);
}

function greet(first: HelloMessage | WelcomeMessage, dice: SeededRandom, resumes: boolean): Step {
  const said = dice.chance(0.03) ? shake(first, dice) : first;
  const payload = dice.chance(0.02) ? mutate(encodeMessage(said), dice) : encodeMessage(said);
  return { payload, inputs: 1, kind: 'greet', resumes, turns: dice.chance(0.05) ? 0 : 4 };
}

function tameScript(dice: SeededRandom): Script {
  const mind = mindOf('initiator', true, 0);
  const first = encodeMessage({ ...hello(dice), features: { retry: true, resume: false } });
  const steps: Step[] = [{ payload: first, inputs: 1, kind: 'greet', resumes: false, turns: 4 }];
  for (let left = dice.between(2, 8); left > 0; left--) {
    const calls = Array.from({ length: dice.between(1, 8) }, () => {
      const { requestId, metadata } = nextCall(dice, mind);
      const args = encodeValue(grammar.value(dice, 2));
      const named = { connectionId: 0, requestId, methodId: methodId('Fuzzed', dice.pick(ECHOING)), operationId: requestId };
      return { type: 'call', ...named, channels: [], metadata, args } as const;
    });
    steps.push(say(calls, 2));
  }
  return { role: 'initiator', isTame: true, steps };
}

export function makeScript(dice: SeededRandom): Script {
  if (dice.chance(0.1)) return tameScript(dice);
  const role = dice.chance(0.75) ? 'initiator' : 'acceptor';
  const comesBack = dice.chance(0.2);
  const first = role === 'initiator' ? hello(dice) : welcome(dice);
  const greeting = comesBack ? { ...first, features: { ...first.features, resume: true } } : first;
  const wildness = dice.pick([0, 0.01, 0.03, 0.1]);
  const mind = mindOf(role, first.features.retry, wildness);
  const steps = [greet(greeting, dice, false)];
  for (let left = dice.between(2, 16); left > 0; left--)
    steps.push(comesBack && dice.chance(0.15) ? greet(greeting, dice, dice.chance(0.8)) : nextStep(dice, mind));
  return { role, isTame: false, steps };
}

/** The hello of a step that comes back with what its peer was told, in a later dial of the same session. */
export function resuming(step: Step, first: Uint8Array, told: { readonly dial: number; readonly resumeKey: Uint8Array | undefined }): Uint8Array {
  try {
    const [message] = decodeMessages(first);
    if (message?.type === 'hello') return encodeMessage({ ...message, dial: told.dial, resumeKey: told.resumeKey });
  } catch {
    // What was said first was no hello any more: the step's own is.
  }
  return step.payload;
}
