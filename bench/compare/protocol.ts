/** What the measuring process and its children say to each other over IPC: a question with a number, an answer with the same. */
import type { Peer, PeerClient } from './contender.ts';

export interface Question {
  readonly number: number;
  readonly task: string;
  readonly params?: unknown;
}

export type Answer = { readonly number: number; readonly value: unknown } | { readonly number: number; readonly error: string };

/** What a peer says of itself. */
export interface About {
  readonly title: string;
  readonly packages: readonly string[];
  readonly remark: string;
  readonly lacks: Readonly<Partial<Record<keyof PeerClient, string>>>;
}

export const aboutOf = ({ title, packages, remark, lacks = {} }: Peer): About => ({ title, packages, remark, lacks });

/** Either process's use of itself. */
export interface Usage {
  readonly cpuMicros: number;
}

export interface Heap {
  readonly heapBytes: number;
  /** Buffers and the like, beside the heap. */
  readonly externalBytes: number;
}

const text = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).replaceAll(/\s+/g, ' ').slice(0, 300);

/** In a child: answers the parent's questions one by one, and ends with the parent. */
export function answerQuestions(answer: (task: string, params: unknown) => unknown): void {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ number, task, params }: Question) => {
    let reply: Answer;
    try {
      reply = { number, value: await answer(task, params) };
    } catch (error) {
      reply = { number, error: text(error) };
    }
    process.send?.(reply);
  });
}

/** Between two measurements of the heap nothing but what is measured should have come to it. */
export async function settledHeap(): Promise<Heap> {
  for (let pass = 0; pass < 3; pass++) {
    globalThis.gc?.();
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external };
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuMicros: user + system };
}
