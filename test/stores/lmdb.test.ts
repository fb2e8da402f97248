import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { lmdbStore } from 'statewire/lmdb';
import type { LmdbStore } from 'statewire/lmdb';
import { testOperationStore } from 'statewire/testing';

const root = mkdtempSync(join(tmpdir(), 'statewire-lmdb-'));
let made = 0;
afterAll(() => rmSync(root, { recursive: true, force: true }));

testOperationStore(({ clock, retentionMs }) => lmdbStore({ path: join(root, String(made++)), clock, retentionMs }), {
  describe,
  it,
  reopen: (closed, { clock, retentionMs }) => lmdbStore({ path: (closed as LmdbStore).path, clock, retentionMs }),
});
