/** A server on an LMDB store is killed by SIGKILL between every two steps of a call, and started again: what its caller, whose session goes on, may conclude. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connect } from 'statewire';
import type { Client, Session } from 'statewire';
import { unix } from 'statewire/tcp';
import { bundleChild, runChild } from '../support/bundled-child.ts';
import type { RunningChild } from '../support/bundled-child.ts';
import { CRASH_POINTS, Work } from '../support/crash-contract.ts';
import type { CrashPoint } from '../support/crash-contract.ts';
import { failureOf } from '../support/peers.ts';

let script = '';
beforeAll(async () => {
  script = await bundleChild('crash-server-child');
});
afterAll(() => rmSync(script, { force: true }));

class Scene {
  readonly root = mkdtempSync(join(tmpdir(), 'statewire-crash-'));
  readonly scope = crypto.getRandomValues(new Uint8Array(32));
  #server: RunningChild | undefined = undefined;

  constructor() {
    onTestFinished(() => {
      this.#server?.process.kill('SIGKILL');
      rmSync(this.root, { recursive: true, force: true });
    });
  }

  /** Starts the server, which is not running. */
  async serve(kill?: CrashPoint): Promise<void> {
    const [socket, folder, effects] = ['socket', 'store', 'effects'].map((name) => join(this.root, name));
    this.#server = runChild(script, { socket, folder, effects, kill });
    await this.#server.line('listening');
  }

  async killed(): Promise<void> {
    expect(await this.#server?.ended).toBe('SIGKILL');
  }

  kill(): Promise<void> {
    this.#server?.process.kill('SIGKILL');
    return this.killed();
  }

  wipe(): void {
    rmSync(join(this.root, 'store'), { recursive: true });
  }

  async dial(): Promise<{ session: Session; client: Client<typeof Work> }> {
    const session = await connect(unix({ path: join(this.root, 'socket') }), { scope: this.scope, reconnect: { baseMs: 5, maxMs: 20 } });
    onTestFinished(() => session.close());
    return { session, client: session.client(Work) };
  }

  /** How often a handler did its work. */
  effects(method: string, name: string): number {
    const file = join(this.root, 'effects');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    return lines.filter((line) => line === `${method} ${name}`).length;
  }
}

/** Calls, and the server dies at that point of the call and is started again; gives how the call ended. */
async function callOver(scene: Scene, point: CrashPoint, method: keyof typeof Work.methods): Promise<unknown> {
  await scene.serve(point);
  const { session, client } = await scene.dial();
  const call = client[method]('a', { operationId: 'order-1' }).catch((error: unknown) => error);
  await scene.killed();
  await scene.serve();
  const ending = await call;
  await firstValueFrom(session.status$.pipe(filter((status) => status === 'connected')));
  return ending;
}

/** What a persist call ends with, and how often its handler did its work, by where the server died. */
const PERSIST: Readonly<Record<CrashPoint, readonly [ending: unknown, effects: number]>> = {
  'before-admit': ['done a', 1],
  'after-admit': [{ kind: 'indeterminate', reason: 'abandoned' }, 0],
  'before-effect': [{ kind: 'indeterminate', reason: 'abandoned' }, 0],
  'after-effect': [{ kind: 'indeterminate', reason: 'abandoned' }, 1],
  'before-seal': [{ kind: 'indeterminate', reason: 'abandoned' }, 1],
  'after-seal': ['done a', 1],
  'after-reply': ['done a', 1],
};

describe('a server that is killed by SIGKILL in the midst of a call', () => {
  for (const point of CRASH_POINTS) {
    const where = point.replace('-', ' ');
    it(`[op.seal-durable] [op.indeterminate] [resume.unknown] persist, ${where}: the outcome once, or indeterminate, and never a second run`, async () => {
      const scene = new Scene();
      const [ending, effects] = PERSIST[point];
      const seen = await callOver(scene, point, 'persist');
      if (typeof ending === 'string') expect(seen).toBe(ending);
      else expect(seen).toMatchObject(ending as object);
      expect(scene.effects('persist', 'a')).toBe(effects);
    });

    it(`[op.idem-not-admitted] [resume.unknown] persist and idem, ${where}: taken over, and a handler that knows its own works once`, async () => {
      const scene = new Scene();
      expect(await callOver(scene, point, 'keep')).toBe('done a');
      expect(scene.effects('keep', 'a')).toBe(1);
    });

    it(`[resume.unknown] volatile, ${where}: nobody can know, and it never runs twice`, async () => {
      const scene = new Scene();
      const seen = await callOver(scene, point, 'run');
      // Answered before it is sealed: where the answer was out, it is the answer.
      if (typeof seen !== 'string') expect(seen).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
      expect(scene.effects('run', 'a')).toBeLessThanOrEqual(1);
    });
  }

  it('[resume.unknown] idem: runs again, and ends with a value', async () => {
    const scene = new Scene();
    expect(await callOver(scene, 'after-effect', 'idem')).toBe('done a');
    expect(scene.effects('idem', 'a')).toBe(2);
  });

  it('[op.scope] [op.replay] a client that was restarted too finds the outcome of its own id, by its scope', async () => {
    const scene = new Scene();
    await scene.serve();
    const before = await scene.dial();
    expect(await before.client.persist('a', { operationId: 'order-1' })).toBe('done a');
    await before.session.close();
    await scene.kill();
    await scene.serve();
    const after = await scene.dial();
    expect(await after.client.persist('a', { operationId: 'order-1' })).toBe('done a');
    expect(await failureOf(after.client.persist('b', { operationId: 'order-1' }))).toMatchObject({ kind: 'invalid-payload', reason: 'conflict' });
    expect(scene.effects('persist', 'a')).toBe(1);
  });

  it('[resume.unknown] with a folder that was wiped: store-lost, since "unknown" proves nothing there', async () => {
    const scene = new Scene();
    await scene.serve('after-effect');
    const { client } = await scene.dial();
    const call = failureOf(client.persist('a'));
    await scene.killed();
    scene.wipe();
    await scene.serve();
    expect(await call).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
    expect(scene.effects('persist', 'a')).toBe(1);
  });

  it('[session.outlives-link] [resume.unknown] goes on over ten deaths in a row', { timeout: 60_000 }, async () => {
    const scene = new Scene();
    await scene.serve();
    const { session, client } = await scene.dial();
    for (let death = 0; death < 10; death++) {
      const calls = Array.from({ length: 20 }, (_, at) => client.keep(`${death}-${at}`, { operationId: `order-${death}-${at}` }));
      await scene.kill();
      await scene.serve();
      await Promise.all(calls);
      for (let at = 0; at < 20; at++) expect(scene.effects('keep', `${death}-${at}`)).toBe(1);
    }
    expect([session.status, session.generation]).toEqual(['connected', 11]);
  });
});
