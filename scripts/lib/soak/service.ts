/** The trial service as the soak's two processes serve it: real time, and books that go from one process to the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { trialService } from '../../../src/testing/trial/handlers.ts';
import { isSteady, planIntent } from './plan.ts';
import type { Records } from './records.ts';

export function soakService(records: Records, seed: number) {
  return trialService({
    begin: (n) => records.begin(n),
    sleep: (durationMs) => sleep(durationMs),
    aborted(n) {
      // cancel.callee, resume.live: a link that is lost aborts no handler without channels, and nothing aborts that of a `persist` call.
      const intent = planIntent(seed, n);
      const { method } = intent;
      if (method.startsWith('persist') || isSteady(intent))
        records.breach(`the handler of intent ${n} (${method}) was aborted, and nobody had given it up`);
    },
    breach: (rule, sentence) => records.breach(`${rule}: ${sentence}`),
  });
}
