/** A program whose whole life is one call: prints the milliseconds from the start of its process to the answer. */
import { small } from './contender.ts';
import { entryOf } from './peers/index.ts';
import { isRight } from './task.ts';

const [name = '', port = '0'] = process.argv.slice(2);
const peer = await entryOf(name).load();
const client = await peer.connect(Number(port));
const answer = await client.echo(small(7));
const sinceStartMs = performance.now();
if (!isRight(answer, 7)) throw new Error('a wrong answer');
process.stdout.write(String(sinceStartMs), () => process.exit());
