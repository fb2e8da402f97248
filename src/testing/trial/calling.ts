/** Makes one call of the trial service, and plays the end of its channel that stays here: feeds it, or reads it and checks every item. */
import { RpcError, channel } from '../../index.ts';
import type { CallOptions, Client, Rx, Tx } from '../../index.ts';
import { itemAt } from './contract.ts';
import type { Answer, SumTask, Task, TicksTask, Trial, TrialCall } from './contract.ts';

export type TrialClient = Client<typeof Trial>;

/** What the caller sees of its channel. */
export interface StreamWatch {
  /** A rule was seen broken. */
  breach(rule: string, sentence: string): void;
  /** The channel begins anew (resume.rebind). */
  restarted(): void;
}

export interface StartedCall {
  readonly answer: Promise<Answer>;
  /** How the end that stays here came to its end: `closed`, `complete`, or the error that stopped it. Never rejects. */
  readonly stream?: Promise<string>;
}

export interface CallTerms {
  readonly client: TrialClient;
  readonly options: CallOptions;
  readonly watch: StreamWatch;
}

export function startCall({ client, options, watch }: CallTerms, call: TrialCall): StartedCall {
  const { method, n, does, handlerMs, items, credit } = call;
  const task: Task = { n, does, ms: handlerMs };
  switch (method) {
    case 'sum':
    case 'sumIdem': {
      const [tx, numbers] = channel<number>({ credit });
      const answer = client[method]({ ...task, numbers } satisfies SumTask, options);
      return { answer, stream: feed(tx, call, watch) };
    }
    case 'ticks':
    case 'ticksIdem': {
      const [out, rx] = channel<number>({ credit });
      const answer = client[method]({ ...task, count: items, out } satisfies TicksTask, options);
      return { answer, stream: drain(rx, call, watch) };
    }
    case 'volatile':
    case 'idem':
    case 'persist':
    case 'persistIdem':
      return { answer: client[method](task, options) };
  }
}

const RESTARTED = 'connection-closed:restarted';

/** Begins again where it is told to (resume.rebind). */
async function feed(tx: Tx<number>, { n, items }: TrialCall, watch: StreamWatch): Promise<string> {
  for (;;) {
    try {
      for (let index = 0; index < items; index++) await tx.send(itemAt(n, index));
      tx.close();
      return 'closed';
    } catch (error) {
      const why = nameOf(error);
      if (why !== RESTARTED) return why;
      watch.restarted();
    }
  }
}

async function drain(rx: Rx<number>, { n, items }: TrialCall, watch: StreamWatch): Promise<string> {
  for (;;) {
    let index = 0;
    try {
      for await (const item of rx) {
        if (item !== itemAt(n, index)) watch.breach('channel.order', `intent ${n}: item ${index} of its stream is ${item}, not ${itemAt(n, index)}`);
        index++;
      }
      if (index !== items) watch.breach('channel.order', `intent ${n}: its stream looks complete with ${index} of ${items} items`);
      return 'complete';
    } catch (error) {
      const why = nameOf(error);
      if (why !== RESTARTED) return why;
      watch.restarted();
    }
  }
}

/** The kind of an error, with its reason where it has one. A channel's reset has the peer's reason as its data. */
export function nameOf(error: unknown): string {
  if (!(error instanceof RpcError)) return `no RpcError: ${String(error)}`;
  const reason = error.reason ?? (error.kind === 'channel-reset' ? (error.data as string | undefined) : undefined);
  return reason === undefined ? error.kind : `${error.kind}:${reason}`;
}
