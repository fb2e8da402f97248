import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^statewire$/, replacement: source('index.ts') },
      { find: /^statewire\/(tcp|websocket|memory|lmdb|wire|testing|xstate)$/, replacement: source('$1.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    execArgv: ['--expose-gc'],
  },
});
