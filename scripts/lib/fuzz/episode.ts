/**
 * One hostile session against the runtime: the fuzzer plays a script, and then it is looked at what must hold. Links that had to end have ended, answers
 * were right and due, calls of ours have settled in order, somebody else is served.
 */
import { connect } from 'statewire';
import type { Link, Session } from 'statewire';
import { decodeEach } from '../../../src/wire/index.ts';
import type { Message } from 'statewire/wire';
import { Breach } from './breach.ts';
import { breaksParity, FuzzPeer, Memory } from './peer.ts';
import type { Sabotage } from './peer.ts';
import { resuming } from './script.ts';
import type { Script, Step } from './script.ts';
import { Fuzzed, isOrderlyFailure, nextTurn, TRAP, within } from './stage.ts';
import type { Stage } from './stage.ts';

/** Turns until all that was said has come to what it comes to. */
const SETTLING_TURNS = 6;
/** What a lost session waits at most for its peer: longer than the stage's `ttlMs`. */
const FORGOTTEN_MS = 70_000;

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await nextTurn();
}

function expectEnded(peer: FuzzPeer): void {
  if (peer.mustEnd !== undefined) throw new Breach(`the link is still open after ${peer.mustEnd}`);
}

/** Plays the steps on whatever link there is. */
async function play(
  script: Script,
  memory: Memory,
  links: { present: () => FuzzPeer | undefined; greet: (step: Step, at: number) => Promise<void> },
): Promise<void> {
  for (const [at, step] of script.steps.entries()) {
    if (step.kind === 'greet') await links.greet(step, at);
    else links.present()?.say(step.payload);
    await turns(step.turns);
    if (memory.problem !== undefined) throw new Breach(memory.problem);
  }
  await turns(SETTLING_TURNS);
  const last = links.present();
  if (last !== undefined) expectEnded(last);
  if (memory.problem !== undefined) throw new Breach(memory.problem);
}

/** A payload that breaks id.parity ends the session, if it was welcomed. */
function brokenParity({ steps, role }: Script, from: number): boolean {
  let found = false;
  const look = (message: Message): void => {
    found ||= breaksParity(message, role);
  };
  for (const step of steps.slice(from)) {
    if (step.kind === 'greet') return false;
    try {
      decodeEach(step.payload, look);
    } catch {
      return found;
    }
  }
  return found;
}

/** The fuzzer dials our server. */
async function attackServer(stage: Stage, script: Script, sabotage: Sabotage): Promise<void> {
  const memory = new Memory();
  let present: FuzzPeer | undefined;
  let dials = 0;
  let greetedAt = 0;
  const first = script.steps[0]?.payload ?? new Uint8Array(0);
  const greet = async (step: Step, at: number): Promise<void> => {
    present?.abort();
    memory.welcome = step.resumes ? memory.welcome : undefined;
    present = new FuzzPeer(await stage.dial(), memory, sabotage);
    dials++;
    greetedAt = at;
    present.say(step.resumes ? resuming(step, first, { dial: dials, resumeKey: memory.welcome?.resumeKey }) : step.payload);
  };
  await play(script, memory, { present: () => present, greet });
  if (present?.isOpen === true && memory.welcome !== undefined && brokenParity(script, greetedAt + 1))
    throw new Breach('the session goes on after an id of the wrong parity (id.violation)');
  if (script.isTame && memory.answered !== memory.calls)
    throw new Breach(`${memory.answered} of ${memory.calls} calls that were in order were answered`);
  present?.abort();
  await turns(2);
  // Of the fuzzer's sessions those that may be resumed wait; the client's is the other one.
  if (stage.sessions > 1) await stage.clock.advance(FORGOTTEN_MS);
  if (stage.sessions !== 1) throw new Breach(`${stage.sessions - 1} hostile sessions are left`);
}

async function orderly(what: string, promise: Promise<unknown>): Promise<void> {
  try {
    await within(200, what, promise);
  } catch (error) {
    if (!isOrderlyFailure(error)) throw error instanceof Breach ? error : new Breach(`${what} failed with ${String(error)}`, { cause: error });
  }
}

/** Our client dials the fuzzer, and calls. */
async function attackClient(stage: Stage, script: Script, sabotage: Sabotage): Promise<void> {
  const memory = new Memory();
  const arrivals: Link[] = [];
  let present: FuzzPeer | undefined;
  stage.onTrapped = (link) => arrivals.push(link);
  const reconnect = script.steps.length % 2 === 0 ? (false as const) : { baseMs: 10, deadlineMs: 500 };
  const connecting = connect(stage.network.connector(TRAP), {
    ...stage.shared,
    ...{ maxConcurrentRequests: 16, maxConnections: 4, maxInitialCredit: 64, reconnect },
    onConnection: (request) => void request.accept(),
  });
  const calls: Promise<unknown>[] = [connecting];
  connecting.then(
    (session) => calls.push(...callAll(session)),
    () => {},
  );
  const greet = async (step: Step): Promise<void> => {
    present?.abort();
    for (let left = 8; left > 0 && arrivals.length === 0; left--) await nextTurn();
    if (arrivals.length === 0) await stage.clock.advance(30);
    const link = arrivals.shift();
    if (link === undefined) return;
    present = new FuzzPeer(link, memory, sabotage);
    present.say(step.payload);
  };
  await play(script, memory, { present: () => present, greet });
  stage.onTrapped = (link) => link.abort();
  for (const link of arrivals) link.abort();
  present?.abort();
  await stage.clock.advance(2_000);
  const session = await within(50, 'connect', connecting).catch((error: unknown) => {
    if (error instanceof Breach) throw error;
  });
  const closed = session?.close();
  await stage.clock.advance(2_000);
  if (closed !== undefined) await orderly('close', closed);
  for (const call of calls) await orderly('a call of ours', call);
}

function callAll(session: Session): Promise<unknown>[] {
  const client = session.client(Fuzzed);
  const calls = [client.echo(1), client.idem('two'), client.persist({ three: 3 }), client.fails(4), session.open({}).then((made) => made.close())];
  // Looked at later: none of them is unhandled until then.
  for (const call of calls) call.catch(() => {});
  return calls;
}

/** Throws a Breach. */
export async function runEpisode(stage: Stage, script: Script, sabotage: Sabotage): Promise<void> {
  await (script.role === 'initiator' ? attackServer : attackClient)(stage, script, sabotage);
  await stage.inspect();
}
