/** The handlers, the same in both processes. Each counts its run first, and says at its end if it was aborted though nobody had a right to. */
import { setTimeout as sleep } from 'node:timers/promises';
import { implement, RpcError } from 'statewire';
import type { CallContext } from 'statewire';
import { itemAt, Soak, valueOf } from './contract.ts';
import type { Answer, Failure, SumTask, Task, TicksTask } from './contract.ts';
import { isSteady, planIntent } from './plan.ts';
import type { Records } from './records.ts';

type Call = CallContext<Failure>;

export function soakService(records: Records, seed: number) {
  /** cancel.callee, resume.live: a link that is lost aborts no handler without channels, and nothing aborts that of a `persist` call. */
  const checkAbort = ({ n }: Task, call: Call): void => {
    if (!call.signal.aborted) return;
    const intent = planIntent(seed, n);
    const { method } = intent;
    if (method.startsWith('persist') || isSteady(intent))
      records.breach(`the handler of intent ${n} (${method}) was aborted, and nobody had given it up`);
  };
  const end = ({ n, does }: Task, call: Call, answer: Answer): Answer => {
    if (does === 'fails') return call.fail({ code: n, run: answer.run });
    if (does === 'throws') throw new Error(`intent ${n} throws`);
    return answer;
  };
  const plain = (task: Task, call: Call): Answer | Promise<Answer> => {
    const answer = { value: valueOf(task.n), run: records.begin(task.n) };
    if (task.ms === 0) return end(task, call, answer);
    return sleep(task.ms).then(() => {
      checkAbort(task, call);
      return end(task, call, answer);
    });
  };
  /** resume.order: who learns from a channel that the link is lost has been aborted. */
  const checkLoss = <T extends Task>(handler: (task: T, call: Call) => Promise<Answer>) => {
    return async (task: T, call: Call): Promise<Answer> => {
      try {
        return await handler(task, call);
      } catch (error) {
        if (error instanceof RpcError && error.reason === 'link-lost' && !call.signal.aborted)
          records.breach(`the handler of intent ${task.n} lost its channel with the link, and was not aborted`);
        throw error;
      }
    };
  };
  const sum = checkLoss<SumTask>(async (task, call) => {
    const run = records.begin(task.n);
    let value = 0;
    for await (const number of task.numbers) value += number;
    await sleep(task.ms);
    return end(task, call, { value, run });
  });
  const ticks = checkLoss<TicksTask>(async (task, call) => {
    const run = records.begin(task.n);
    for (let index = 0; index < task.count; index++) {
      if (index === task.count >> 1) await sleep(task.ms);
      if (index === task.count >> 1 && task.does === 'throws') break;
      await task.out.send(itemAt(task.n, index));
    }
    if (task.does !== 'throws') task.out.close();
    return end(task, call, { value: task.count, run });
  });
  return implement(Soak, { volatile: plain, idem: plain, persist: plain, persistIdem: plain, sum, sumIdem: sum, ticks, ticksIdem: ticks });
}
