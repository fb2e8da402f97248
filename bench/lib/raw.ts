/** The yardstick: length-prefixed frames on a bare socket, and nothing else. One write a turn, as any fast protocol does. */
import type { Socket } from 'node:net';

/** Calls `onFrame` with every whole frame. */
export function framesOf(socket: Socket, onFrame: (frame: Buffer) => void): void {
  let kept: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    let at = 0;
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      onFrame(bytes.subarray(at + 4, end));
      at = end;
    }
    kept = bytes.subarray(at);
  });
  socket.on('error', () => socket.destroy());
}

/** Sends frames, those of one turn in one write. */
export function sendFrames(socket: Socket): (frame: Uint8Array) => void {
  let frames: Uint8Array[] = [];
  const flush = () => {
    const batch = Buffer.concat(frames);
    frames = [];
    socket.write(batch);
  };
  return (frame) => {
    if (frames.length === 0) setImmediate(flush);
    const header = Buffer.allocUnsafe(4);
    header.writeUInt32LE(frame.length, 0);
    frames.push(header, Buffer.from(frame));
  };
}
