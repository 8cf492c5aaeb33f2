import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import { gunzipFile } from './gzip.js';
import { inflate } from './inflate.js';
import { messageBytes } from './library/message.js';
import type { SessionKey } from './library/session-keys.js';
import type { Unpacking } from './unpacking.js';

/** A sealed file that any thread of this process can open by itself: plain data. */
export interface ReadableFile {
  path: string;
  /** What messages call it. */
  name: string;
  sealing:
    | { kind: 'plain' }
    | { kind: 'gzip' }
    /** `isWhole`: its integrity check was made; else it is made while it is read. */
    | { kind: 'message'; key: SessionKey; isWhole: boolean };
}

/**
 * The plaintext of a file, read, decrypted and decompressed in the calling thread: for one of several that have enough to
 * do. Errors: as of `Opener.open`, and of what that gives.
 */
export function unpackedHere({ path, name, sealing }: ReadableFile): ByteStream {
  switch (sealing.kind) {
    case 'plain':
      return bytesReadHere(path);
    case 'gzip':
      return gunzipFile(path, name, here);
    case 'message':
      return messageBytes(path, name, sealing.key, sealing.isWhole, here);
  }
}

const pieceBytes = 128 * 1024;

/** The bytes of a local file. */
async function* bytesReadHere(path: string, bufferBytes = pieceBytes): ByteStream {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new TundraError('generic', `cannot open ${path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    const buffer = new Uint8Array(Math.min(bufferBytes, Math.max(fstatSync(fd).size, 4096)));
    for (let size = readSync(fd, buffer); size > 0; size = readSync(fd, buffer))
      yield buffer.subarray(0, size);
  } finally {
    closeSync(fd);
  }
}

const here: Unpacking = { fileBytes: bytesReadHere, inflate };
