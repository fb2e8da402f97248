/** The handlers of the trial service. Each counts its run first; time and books are its host's. */
import { RpcError, implement } from '../../index.ts';
import type { CallContext, ServiceImplementation } from '../../index.ts';
import { itemAt, Trial, valueOf } from './contract.ts';
import type { Answer, Failure, SumTask, Task, TicksTask } from './contract.ts';

/** What the handlers ask of the process that runs them. */
export interface TrialHost {
  /** A handler starts. Gives the number of its run. */
  begin(n: number): number;
  sleep(durationMs: number): Promise<void>;
  /** A handler was aborted, with or without channels. */
  aborted(n: number): void;
  /** A rule was seen broken. */
  breach(rule: string, sentence: string): void;
}

type Call = CallContext<Failure>;

export function trialService(host: TrialHost): ServiceImplementation {
  const end = ({ n, does }: Task, call: Call, answer: Answer): Answer => {
    if (does === 'fails') return call.fail({ code: n, run: answer.run });
    if (does === 'throws') throw new Error(`intent ${n} throws`);
    return answer;
  };
  const plain = (task: Task, call: Call): Answer | Promise<Answer> => {
    const answer = { value: valueOf(task.n), run: host.begin(task.n) };
    if (task.ms === 0) return end(task, call, answer);
    return host.sleep(task.ms).then(() => {
      if (call.signal.aborted) host.aborted(task.n);
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
          host.breach('resume.order', `the handler of intent ${task.n} lost its channel with the link, and was not aborted`);
        throw error;
      }
    };
  };
  const sum = checkLoss<SumTask>(async (task, call) => {
    const run = host.begin(task.n);
    let value = 0;
    let index = 0;
    for await (const number of task.numbers) {
      if (number !== itemAt(task.n, index))
        host.breach('channel.order', `item ${index} of the stream to the handler of intent ${task.n} is ${number}, not ${itemAt(task.n, index)}`);
      index++;
      value += number;
    }
    await host.sleep(task.ms);
    return end(task, call, { value, run });
  });
  const ticks = checkLoss<TicksTask>(async (task, call) => {
    const run = host.begin(task.n);
    for (let index = 0; index < task.count; index++) {
      if (index === task.count >> 1) await host.sleep(task.ms);
      if (index === task.count >> 1 && task.does === 'throws') break;
      await task.out.send(itemAt(task.n, index));
    }
    if (task.does !== 'throws') task.out.close();
    return end(task, call, { value: task.count, run });
  });
  return implement(Trial, { volatile: plain, idem: plain, persist: plain, persistIdem: plain, sum, sumIdem: sum, ticks, ticksIdem: ticks });
}
