import { type FileHandle, open } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';

/** The bytes of a local file. It is opened when the first piece is asked for. */
export async function* fileBytes(path: string, pieceBytes = 256 * 1024): ByteStream {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new TundraError('generic', `cannot open ${path}: ${messageOf(error)}`, { cause: error });
  }
  yield* handleBytes(file, pieceBytes);
}

/** The bytes of an open file from its start; closes it in the end. */
export async function* handleBytes(file: FileHandle, pieceBytes = 256 * 1024): ByteStream {
  try {
    const buffer = new Uint8Array(pieceBytes);
    for (let position = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, pieceBytes, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
