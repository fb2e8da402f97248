/** What befell a run, for people and for programs: the figures, what is wrong with them, their rows in the table. */
import type { ChaosResult } from './demo-run.ts';
import { count } from './table.ts';
import type { Row } from './table.ts';
import type { Tally } from './tally.ts';

export interface ChaosFigures {
  /** By the demo, and what they cost: a cut may lose one link or all, a kill loses all. */
  readonly cuts: number;
  readonly kills: number;
  readonly linksLost: number;
  /** Of the sessions, each as often as it happened. */
  readonly resumed: number;
  readonly restarted: number;
  /** Calls that were sent a second time or more. */
  readonly resent: number;
  /** Charges that ran again after a kill, and had been booked by the bank before it could say so. */
  readonly found: number;
  readonly longestOutageMs: number;
  /** Last lines of the bank's journal that were cut off in the middle of their writing. */
  readonly tornLines: number;
  /** Calls of volatile methods that the bank died under, and those of them that were charges: their orders, and how many of these the bank has. */
  readonly indeterminate: number;
  readonly indeterminateOrders: readonly string[];
  readonly indeterminateBooked: number;
}

/** Names beyond are counted, not shown. */
const MOST_SHOWN_NAMES = 20;

type FoundOut = Pick<ChaosFigures, 'found' | 'indeterminateBooked'>;

export function chaosFigures(chaos: ChaosResult, { indeterminate, indeterminateOrders }: Tally, foundOut: FoundOut): ChaosFigures {
  const { cuts, kills, linksLost, resumed, restarted, resent, longestOutageMs, tornLines } = chaos;
  return { cuts, kills, linksLost, resumed, restarted, resent, longestOutageMs, tornLines, indeterminate, indeterminateOrders, ...foundOut };
}

/** A run that nothing befell proves nothing; and a call may only be lost with the bank that ran it. */
export function chaosFaults(
  { plannedCuts, plannedKills, cuts, kills, linksLost, resumed, restarted }: ChaosResult,
  { indeterminate }: Tally,
): readonly string[] {
  const faults: string[] = [];
  if (cuts !== plannedCuts) faults.push(`${plannedCuts} cuts were planned, and there were ${cuts}`);
  if (kills !== plannedKills) faults.push(`the bank was to be killed ${plannedKills} times, and was ${kills} times`);
  if (cuts > 0 && kills === 0 && resumed === 0) faults.push(`${cuts} times links were cut, and no session resumed`);
  if (kills > 0 && restarted === 0) faults.push(`the bank was killed ${kills} times, and no session began anew`);
  if (linksLost !== resumed + restarted) faults.push(`${linksLost} links were lost, and ${resumed + restarted} times a session found a next one`);
  if (kills === 0 && indeterminate > 0) faults.push(`${indeterminate} calls ended indeterminate, and the bank never died`);
  if (kills === 0 && restarted > 0) faults.push(`${restarted} sessions began anew, and the bank never died`);
  return faults;
}

export function chaosRows(figures: ChaosFigures): readonly Row[] {
  const { cuts, kills, linksLost, resumed, restarted, resent, found, longestOutageMs, tornLines } = figures;
  if (cuts + kills === 0) return [];
  const torn = tornLines === 0 ? '' : `; ${count(tornLines)} torn lines of its journal dropped`;
  return [
    ['cuts', count(cuts), `of one link or all; with the kills ${count(linksLost)} links were lost`],
    ['kills', count(kills), `of the bank, by kill -9, while charges ran${torn}`],
    ['sessions resumed', count(resumed), `${count(restarted)} began anew with a bank that did not know them`],
    ['calls re-sent', count(resent), ''],
    ['charges run again', `${kills > 0 ? '≥ ' : ''}${count(found)}`, 'by a bank that found them in its journal: the same receipt, no second charge'],
    ['indeterminate', count(figures.indeterminate), indeterminateNote(figures)],
    ['longest outage', `${count(longestOutageMs)} ms`, 'of a session'],
  ];
}

function indeterminateNote({ indeterminate, indeterminateOrders: orders, indeterminateBooked }: ChaosFigures): string {
  const others = indeterminate - orders.length;
  const rest = others === 0 ? '' : `; ${count(others)} that charge nothing`;
  if (orders.length === 0) return `orders: none${rest}`;
  const more = orders.length - MOST_SHOWN_NAMES;
  const names = orders.slice(0, MOST_SHOWN_NAMES).join(', ') + (more > 0 ? ` and ${count(more)} more` : '');
  return `orders: ${names} (the bank has ${count(indeterminateBooked)} of ${count(orders.length)})${rest}`;
}
