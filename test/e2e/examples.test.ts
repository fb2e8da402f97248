import { expect, it } from 'vitest';
import { run } from '../support/command.ts';

it('examples/hello.ts calls a method over TCP and shows its declared failure', { timeout: 60_000 }, async () => {
  expect(await run('examples/hello.ts')).toEqual({ code: 0, stdout: 'Hello, Ada!\nrefused: nobody\n', stderr: '' });
});

it('examples/operation-ids.ts joins a duplicate, replays an outcome, and runs each operation once', { timeout: 60_000 }, async () => {
  const { code, stdout, stderr } = await run('examples/operation-ids.ts');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n')).toEqual([
    'server: runs order-1',
    'client: number 1, one teapot; and its duplicate: number 1, one teapot',
    'client: asked again later: number 1, one teapot',
    'server: runs order-2',
    'client: another order: number 2, one teapot',
    'server: 2 run, 1 joined, 1 replayed',
  ]);
});
