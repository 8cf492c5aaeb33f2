import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import type { Cipher } from '../seal/cipher.js';

const readBytes = 256 * 1024;

export function readFile(path: string): ByteStream {
  return createReadStream(path, { highWaterMark: readBytes });
}

/** Seals a stream into a new local file, which is on the disk when the promise resolves. */
export async function sealToFile(cipher: Cipher, plain: ByteStream, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    const writer = cipher.seal(async (piece) => {
      let done = 0;
      while (done < piece.length) done += (await file.write(piece, done)).bytesWritten;
    });
    try {
      for await (const piece of plain) await writer.write(piece);
      await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
