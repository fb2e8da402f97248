/** What `statewire bench` prints: on which machine, a row for each measurement, and what the figures are not. */
import { cpus } from 'node:os';
import type { Measurement } from './bench-measure.ts';
import { count, layOut } from './table.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
}

export function thisMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() || 'unknown CPU',
    cores: cores.length,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

export const headText = ({ cpu, cores, node, platform }: Machine, seconds: number): string =>
  `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, Node ${node}, ${platform}\n` +
  `a client and a server process over TCP on this machine, operation ids on, ${seconds} s each; CPU: of the client + of the server\n\n`;

/** Rows are printed as they come, so the widths are known before: those of the longest title and the largest figure that is likely. */
const TITLE_WIDTH = 36;
const VALUE_WIDTH = 18;

export function rowText({ title, perSecond, unit, cpuPer, clientCpuMicros, serverCpuMicros, p50Micros, p99Micros }: Measurement): string {
  const cpu = `CPU ${micros(clientCpuMicros)} + ${micros(serverCpuMicros)} µs per ${cpuPer}`;
  const latency = p50Micros === undefined || p99Micros === undefined ? '' : `, p50 ${micros(p50Micros)} µs, p99 ${micros(p99Micros)} µs`;
  const value = `${count(Math.round(perSecond))} ${unit}/s`;
  return `${layOut([[title.padEnd(TITLE_WIDTH), value.padStart(VALUE_WIDTH), `${cpu}${latency}`]])}\n`;
}

const micros = (value: number): string => (value < 10 ? value.toFixed(2) : count(Math.round(value)));

export const TAIL_TEXT = `
Other work on the machine shows in every figure. How other libraries do beside statewire is measured by \`npm run bench\` in statewire's repository.
`;
