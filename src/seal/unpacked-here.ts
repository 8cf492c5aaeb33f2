import type { ByteStream } from '../base/bytes.js';
import { piecesOf } from './byte-reader.js';
import { FileReader } from './file-reader.js';
import { gunzipFile, gunzipFrom } from './gzip.js';
import { messageBytes, messageBytesFrom } from './library/message.js';
import type { SessionKey } from './library/session-keys.js';
import { direct, pooled, sparing, type Unpacking } from './unpacking.js';

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
  /** Where to begin, as the writer of the file told; undefined for its start. */
  accessPoint: number | undefined;
}

/**
 * The plaintext of a file, read, decrypted and decompressed in the calling thread: for one of several that have enough to
 * do. Errors: as of `Opener.open`, and of what that gives.
 */
export function unpackedHere(file: ReadableFile): ByteStream {
  return unpackedBy(direct, file);
}

/** The same in little memory: of one of many files that are open side by side. */
export function unpackedSparingly(file: ReadableFile): ByteStream {
  return unpackedBy(sparing, file);
}

/** The same beside what the calling thread does; but of a file from an access point on that reads here. */
export function unpackedBeside(file: ReadableFile): ByteStream {
  return unpackedBy(pooled, file);
}

async function* unpackedBy(unpacking: Unpacking, readable: ReadableFile): ByteStream {
  const { path, name, sealing, accessPoint } = readable;
  const { pieceBytes } = unpacking;
  if (accessPoint === undefined) {
    if (sealing.kind === 'gzip') yield* gunzipFile(path, name, unpacking);
    else if (sealing.kind === 'plain') yield* unpacking.fileBytes(path);
    else yield* messageBytes(path, name, sealing.key, sealing.isWhole, unpacking);
    return;
  }
  const file = new FileReader(path, pieceBytes);
  try {
    if (sealing.kind === 'gzip') yield* gunzipFrom(accessPoint, file, name, unpacking);
    else if (sealing.kind === 'message')
      yield* messageBytesFrom(accessPoint, file, name, sealing.key, unpacking);
    else {
      file.skip(accessPoint);
      yield* piecesOf(file, pieceBytes);
    }
  } finally {
    file.close();
  }
}
