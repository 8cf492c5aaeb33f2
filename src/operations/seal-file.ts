import { createReadStream, openSync, type ReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { type DiskPlace, diskError } from '../base/local-disk.js';
import type { Cipher } from '../seal/cipher.js';

const readBytes = 256 * 1024;

export function readFile(path: string): ByteStream {
  return createReadStream(path, { highWaterMark: readBytes });
}

/** The same of a file that is opened here and now, whatever it is called later. It must be read, or destroyed. */
export function readOpened(path: string): ReadStream {
  return createReadStream(path, { fd: openSync(path, 'r'), highWaterMark: readBytes });
}

/**
 * Seals a stream into a new local file, which is on the disk when the promise resolves, and gone if it rejects.
 *
 * @param pointBytes plain bytes after each of which an access point is to begin
 * @returns where the access points are
 */
export async function sealToFile(
  cipher: Cipher,
  plain: ByteStream,
  path: string,
  place: DiskPlace,
  pointBytes = Number.POSITIVE_INFINITY,
): Promise<readonly number[]> {
  const failed = (error: unknown): never => {
    throw diskError(error, place, path, 'cannot be written');
  };
  const file = await open(path, 'wx', 0o600).catch(failed);
  try {
    const writer = cipher.seal(async (piece) => {
      for (let done = 0; done < piece.length; )
        done += (await file.write(piece, done).catch(failed)).bytesWritten;
    });
    try {
      let leftBytes = pointBytes;
      for await (const piece of plain) {
        for (let at = 0; at < piece.length; ) {
          if (leftBytes === 0) {
            await writer.beginAccessPoint();
            leftBytes = pointBytes;
          }
          const part = piece.subarray(at, at + leftBytes);
          await writer.write(part);
          at += part.length;
          leftBytes -= part.length;
        }
      }
      await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await file.sync().catch(failed);
    return writer.accessPoints;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
