/** What a client weighs: bundled and minified by esbuild, then gzipped. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { Skipped } from '../case.ts';
import type { Workload } from '../case.ts';
import { CLIENT_CODE } from '../client-code.ts';
import type { ClientCode } from '../client-code.ts';

const benchFolder = fileURLToPath(new URL('../../..', import.meta.url));

async function bundled({ platform, code }: ClientCode): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: benchFolder },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
    platform,
    external: ['*.node'],
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

export const bundle: Workload = {
  name: 'bundle',
  cases: [
    {
      id: 'bundle',
      title: 'client, minified and gzipped',
      compared: 'kilobytes',
      needs: [],
      once: true,
      async measure({ name }) {
        const code = CLIENT_CODE[name];
        if (code === undefined) throw new Skipped('nobody has said what its client imports');
        const bytes = await bundled(code);
        return { figures: { kilobytes: gzipSync(bytes, { level: 9 }).length / 1_000, minifiedKilobytes: bytes.length / 1_000 }, wrong: 0, lost: 0 };
      },
    },
  ],
};
