/** Asks for an intent once, as its asking says, and has what came of it written down. */
import { RpcError } from '../../index.ts';
import type { CallOptions, Connection } from '../../index.ts';
import { nameOf, startCall } from '../trial/calling.ts';
import type { TrialClient } from '../trial/calling.ts';
import { Trial } from '../trial/contract.ts';
import type { Failure } from '../trial/contract.ts';
import { describe } from './ledger.ts';
import type { Asking, Intent } from './intents.ts';
import type { Calling } from './peers.ts';
import type { World } from './world.ts';

/** Settles when the call has, and its stream. */
export async function ask(world: World, calling: Calling, { intent, asking }: { intent: Intent; asking: Asking }): Promise<void> {
  world.ledger.ask(asking);
  if (asking.place === 'root') {
    await call(world, calling.client, { intent, asking });
    return;
  }
  let connection: Connection;
  try {
    connection = await calling.session.open();
  } catch (error) {
    world.ledger.tell(intent, asking, { outcome: nameOf(error) });
    return;
  }
  const client = connection.client(Trial);
  world.held.push(connection, client);
  const called = call(world, client, { intent, asking });
  if (asking.closesUnder) await asking.process.sleep(asking.givingUpMs);
  else await called;
  await connection.close();
  await called;
}

async function call(world: World, client: TrialClient, { intent, asking }: { intent: Intent; asking: Asking }): Promise<void> {
  const { ledger } = world;
  const abort = asking.givingUp === 'aborted' ? new AbortController() : undefined;
  if (abort !== undefined) void asking.process.sleep(asking.givingUpMs).then(() => abort.abort());
  const options: CallOptions = {
    operationId: intent.operationId,
    signal: abort?.signal,
    timeoutMs: asking.givingUp === 'timeout' ? asking.givingUpMs : undefined,
  };
  const watch = { breach: (rule: string, sentence: string) => ledger.breach(rule, sentence), restarted: () => {} };
  const { answer, stream } = startCall({ client, options, watch }, intent);
  await answer.then(
    (value) => ledger.tell(intent, asking, { outcome: 'value', answer: value }),
    (error: unknown) => ledger.tell(intent, asking, told(error)),
  );
  if (stream === undefined) return;
  asking.stream = await stream;
  checkStream(world, intent, asking);
}

function told(error: unknown): { outcome: string; answer?: Failure; retryable: boolean } {
  const retryable = error instanceof RpcError && error.retryable;
  if (error instanceof RpcError && error.kind === 'user') return { outcome: 'user', answer: error.data as Failure, retryable };
  return { outcome: nameOf(error), retryable };
}

/** channel.order: a handler that has sent its whole stream and returned has not been cut off, unless its outcome was sealed before a loss. */
function checkStream({ ledger }: World, intent: Intent, asking: Asking): void {
  const { method } = intent;
  const isWhole = asking.stream === 'complete';
  if (!method.startsWith('ticks') || asking.outcome !== 'value' || isWhole) return;
  if (asking.stream === 'channel-reset:replayed' || asking.stream?.startsWith('connection-closed') === true) return;
  ledger.breach('channel.order', `${describe(intent)}: it has a value, and its stream ended with ${asking.stream}`);
}
