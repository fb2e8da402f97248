/** Length-prefixed frames on a socket, with as few copies as they can be had with. */
import type { Socket } from 'node:net';

const HEADER_BYTES = 4;
/** Frames up to there are gathered; larger ones are written from where they are. */
const GATHERED_BYTES = 16 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** Gathers the frames of a turn in one write. A chunk is filled once, from front to back: the socket may still hold what was written from it. */
export class FrameWriter {
  readonly #socket: Socket;
  #chunk: Buffer | undefined;
  #from = 0;
  #to = 0;
  #due = false;
  readonly #flushDue = (): void => {
    this.#due = false;
    this.#flush();
    this.#socket.uncork();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(frame: Buffer): void {
    if (!this.#due) {
      this.#due = true;
      this.#socket.cork();
      setImmediate(this.#flushDue);
    }
    const large = frame.length > GATHERED_BYTES;
    const chunk = this.#room(large ? HEADER_BYTES : HEADER_BYTES + frame.length);
    chunk.writeUInt32LE(frame.length, this.#to);
    this.#to += HEADER_BYTES;
    if (large) {
      this.#flush();
      this.#socket.write(frame);
    } else {
      frame.copy(chunk, this.#to);
      this.#to += frame.length;
    }
  }

  #room(bytes: number): Buffer {
    if (this.#chunk !== undefined && this.#chunk.length - this.#to >= bytes) return this.#chunk;
    this.#flush();
    this.#from = this.#to = 0;
    return (this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES));
  }

  #flush(): void {
    if (this.#chunk === undefined || this.#to === this.#from) return;
    this.#socket.write(this.#chunk.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}

/** Calls `onFrame` with every whole frame: where it lies if it came in one piece, else in a buffer of its own, filled as the pieces come. */
export function readFrames(socket: Socket, onFrame: (frame: Buffer) => void): void {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  let headerFilled = 0;
  let body: Buffer | undefined;
  let filled = 0;
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (body !== undefined) {
        const copied = chunk.copy(body, filled, at);
        at += copied;
        filled += copied;
        if (filled < body.length) return;
        const whole = body;
        body = undefined;
        onFrame(whole);
        continue;
      }
      let length: number;
      if (headerFilled === 0 && chunk.length - at >= HEADER_BYTES) {
        length = chunk.readUInt32LE(at);
        at += HEADER_BYTES;
      } else {
        const copied = chunk.copy(header, headerFilled, at);
        at += copied;
        headerFilled += copied;
        if (headerFilled < HEADER_BYTES) return;
        headerFilled = 0;
        length = header.readUInt32LE(0);
      }
      if (chunk.length - at >= length) {
        onFrame(chunk.subarray(at, at + length));
        at += length;
      } else {
        body = Buffer.allocUnsafeSlow(length);
        filled = 0;
      }
    }
  });
}
