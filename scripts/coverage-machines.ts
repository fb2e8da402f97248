/** `npm run coverage:machines`: how much of every statechart its test model's paths cover. Names whatever is not covered, and fails below 100 %. */
import { machineModels } from '../src/testing/machine-models.ts';
import { reportMachines } from './lib/machine-report.ts';

const { lines, complete } = reportMachines(Object.values(machineModels));
for (const line of lines) console.log(line);
if (!complete) process.exitCode = 1;
