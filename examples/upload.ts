/**
 * A file goes to a server in pieces through a channel; how far it is comes back through another. Nobody holds more than the credit of a
 * channel: a slow disk slows the reading of the file down. Run it: `npx tsx examples/upload.ts [file]`
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { channel, connect, defineService, implement, listen, method, sendAll } from 'statewire';
import type { Rx, Tx } from 'statewire';
import { tcp } from 'statewire/tcp';

const Files = defineService('Files', {
  upload: method<{ name: string; size: number; content: Rx<Uint8Array>; percent: Tx<number> }, { bytes: number; sha256: string }>(),
});

const PIECE_BYTES = 64 * 1024;

const directory = await mkdtemp(join(tmpdir(), 'statewire-upload-'));

const files = implement(Files, {
  async upload({ name, size, content, percent }) {
    const file = await open(join(directory, `${basename(name)}.received`), 'w');
    const hash = createHash('sha256');
    let bytes = 0;
    let tenths = 0;
    try {
      // Throws when the content is cut off, so that a part is never taken for the whole.
      for await (const piece of content) {
        await file.writeFile(piece);
        hash.update(piece);
        bytes += piece.length;
        const done = Math.floor((10 * bytes) / size);
        if (done > tenths) await percent.send(10 * (tenths = done));
      }
    } finally {
      await file.close();
    }
    percent.close();
    return { bytes, sha256: hash.digest('hex') };
  },
});

const server = await listen(tcp({ port: 0 }), { services: [files] });
const session = await connect(tcp(server.address));

const sample = join(directory, 'sample.bin');
await writeFile(sample, randomBytes(1_000_000));
const path = process.argv[2] ?? sample;
const { size } = await stat(path);

const hash = createHash('sha256');
async function* pieces(): AsyncGenerator<Uint8Array> {
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Uint8Array>) {
    hash.update(piece);
    yield piece;
  }
}

async function show(progress: Rx<number>): Promise<void> {
  for await (const percent of progress) console.log(`${percent} %`);
}

// 8 pieces may be on their way: half a megabyte, however large the file is.
const [content, contentThere] = channel<Uint8Array>({ credit: 8 });
const [percentThere, progress] = channel<number>();
const [stored] = await Promise.all([
  session.client(Files).upload({ name: basename(path), size, content: contentThere, percent: percentThere }),
  sendAll(content, pieces()),
  show(progress),
]);
if (stored.bytes !== size || stored.sha256 !== hash.digest('hex')) throw new Error(`the server has something else: ${JSON.stringify(stored)}`);
console.log(`uploaded ${basename(path)}: ${stored.bytes} bytes, and the same SHA-256 on both sides`);

await session.close();
await server.close();
await rm(directory, { recursive: true });
