/** A stream of bytes in pieces. A piece is valid until the next one is asked for, unless its maker says otherwise. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Gathers a small stream. Throws RangeError past `limitBytes`: only small metadata may be buffered. */
export async function collectBytes(stream: ByteStream, limitBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size > limitBytes) throw new RangeError(`more than ${limitBytes} bytes`);
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces, size);
}
