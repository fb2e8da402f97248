/** How far the demo got: a bar where there is a terminal, a line now and then where there is none. */
import { SingleBar } from 'cli-progress';
import type { Rebirth } from './bank-lives.ts';
import type { DemoWatcher } from './demo-run.ts';

/** Plain lines come at every tenth. */
const PLAIN_STEPS = 10;

/** Where text goes: a terminal or not. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

export function watchWith(output: Output, totalOrders: number): DemoWatcher {
  return output.isTTY === true ? bar(output, totalOrders) : lines(output, totalOrders);
}

/** For a run that shall say nothing but its result. */
export const silentWatcher: DemoWatcher = { started() {}, charged() {}, reborn() {}, streaming() {}, ended() {} };

const streams = (lines: number): string =>
  `streaming: ${lines.toLocaleString('en-US')} lines to the bank, receipts back; then its journal to a slow reader\n`;

const place = ({ pid, port }: { pid: number; port: number }): string => `bank: process ${pid}, 127.0.0.1:${port}\n`;

const rebirths = ({ killedPid, pid, afterMs, replayed, tornBytes }: Rebirth): string =>
  `bank: process ${killedPid} killed; process ${pid} listens after ${afterMs} ms, ${replayed.toLocaleString('en-US')} lines of its journal replayed${tornBytes > 0 ? `, a torn one of ${tornBytes} bytes dropped` : ''}\n`;

function bar(output: Output, total: number): DemoWatcher {
  const shown = new SingleBar({
    stream: output,
    format: '[{bar}] {value}/{total} orders, {percentage} %, {kills} kills',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
  });
  let kills = 0;
  return {
    started(bank) {
      output.write(place(bank));
      shown.start(total, 0, { kills });
    },
    charged: (orders) => shown.update(orders),
    reborn: () => shown.update({ kills: ++kills }),
    streaming(lines) {
      shown.stop();
      output.write(streams(lines));
    },
    ended() {
      if (shown.isActive) shown.stop();
    },
  };
}

function lines(output: Output, total: number): DemoWatcher {
  const step = Math.ceil(total / PLAIN_STEPS);
  return {
    started: (bank) => void output.write(place(bank)),
    charged(orders) {
      if (orders % step === 0 || orders === total) output.write(`${orders.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} orders\n`);
    },
    reborn: (rebirth) => void output.write(rebirths(rebirth)),
    streaming: (lines) => void output.write(streams(lines)),
    ended() {},
  };
}
