/** `npm run layers`: fails when a file of `src` uses what its room may not (lib/rooms.ts). */
import { fileURLToPath } from 'node:url';
import { isTypeScript, readFolder } from './lib/files.ts';
import { checkLayers } from './lib/layers.ts';

const files = await readFolder(fileURLToPath(new URL('../src', import.meta.url)), isTypeScript);
const violations = checkLayers(files);
for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
else console.log(`${files.size} files keep to their rooms`);
