import { type FileHandle, open } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';

/** With more files open than that, each stream is to take little memory: those of a long chain are read side by side. */
const fewFiles = 16;
const manyFilesPieceBytes = 16 * 1024;
let openFiles = 0;

/** Whether so many files are being read side by side that each is to take little memory. */
export function areManyFilesOpen(): boolean {
  return openFiles > fewFiles;
}

/** The bytes of a local file. It is opened when the first piece is asked for. */
export async function* fileBytes(path: string, pieceBytes = 128 * 1024): ByteStream {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new TundraError('generic', `cannot open ${path}: ${messageOf(error)}`, { cause: error });
  }
  yield* handleBytes(file, pieceBytes);
}

/** The bytes of an open file from its start; closes it in the end. While a piece is in use the next one is read. */
export async function* handleBytes(file: FileHandle, pieceBytes = 128 * 1024): ByteStream {
  let ahead: Promise<{ bytesRead: number }> | undefined;
  openFiles++;
  try {
    // Many small files may be open at once: none takes more memory than half of what it has bytes.
    const { size } = await file.stat();
    const mostBytes = areManyFilesOpen() ? Math.min(manyFilesPieceBytes, pieceBytes) : pieceBytes;
    const bufferBytes = Math.min(mostBytes, Math.max(size >> 2, 4096));
    let current = new Uint8Array(bufferBytes);
    let next = new Uint8Array(bufferBytes);
    let { bytesRead } = await file.read(current, 0, bufferBytes, 0);
    for (let position = bytesRead; bytesRead > 0; position += bytesRead) {
      ahead = file.read(next, 0, bufferBytes, position);
      ahead.catch(() => {}); // thrown by the await below, unless nobody asks for more
      yield current.subarray(0, bytesRead);
      ({ bytesRead } = await ahead);
      [current, next] = [next, current];
    }
  } finally {
    openFiles--;
    await ahead?.catch(() => {});
    await file.close();
  }
}
