import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import type { ByteStream } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import { archivePlace, diskError } from '../base/local-disk.js';
import { strayAccessPoints } from './access-points.js';
import { writeNewFile } from './new-file.js';

const readBytes = 256 * 1024;
/** What gzip-made signatures have always been compressed with. */
const gzipLevel = 6;

/** Names of files that are being written. Duplicity takes none of them for a backup's. */
const temporaryName = /^\.tundra-[0-9a-f]{16}\.tmp$/;

/** Whether the name of a file in the archive says that it is gzipped. */
export function isGzipped(name: string): boolean {
  return /\.g?z$/.test(name);
}

/** A file of the local archive that cannot be read to its end as what it should be. The storage has it whole. */
export class DamagedArchiveFile extends TundraError {
  /** Its name in the archive. */
  readonly fileName: string;

  constructor(fileName: string, folder: string, cause: unknown) {
    super('bad-archive-dir', `${join(folder, fileName)} is damaged: ${messageOf(cause)}`, {
      cause,
      advice: 'Remove this file: the next run fetches it again from the storage.',
    });
    this.name = 'DamagedArchiveFile';
    this.fileName = fileName;
  }
}

/**
 * The folder that keeps the manifests (plain) and the signatures (gzipped) of one backup, a copy of what lies on the
 * storage. Files appear whole under their names, or not at all. Errors: `bad-archive-dir`, `no-free-space`.
 */
export class LocalArchive {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Opens the archive in a folder, which is made, for its owner only, if it is not there. */
  static async open(folder: string): Promise<LocalArchive> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw archiveError(error, folder, 'cannot be used');
    }
    return new LocalArchive(folder);
  }

  /** All names in the folder, also of files that are no backup's. */
  async list(): Promise<string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      throw archiveError(error, this.folder, 'cannot be listed');
    }
  }

  /** Where the file of a name lies, or would lie. A name that would leave the folder is an error. */
  pathOf(name: string): string {
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
      throw new TundraError('format', `${JSON.stringify(name)} cannot be the name of a file`);
    }
    return join(this.folder, name);
  }

  /** The plain bytes of a file, unpacked if its name says that it is gzipped. Error: DamagedArchiveFile. */
  async *read(name: string): ByteStream {
    try {
      yield* readPlain(this.pathOf(name), isGzipped(name));
    } catch (error) {
      throw new DamagedArchiveFile(name, this.folder, error);
    }
  }

  /** Whether a file can be read to its end; damage inside a file that is not gzipped does not show. */
  async isReadable(name: string): Promise<boolean> {
    try {
      for await (const _ of this.read(name));
      return true;
    } catch (error) {
      if (error instanceof DamagedArchiveFile) return false;
      throw error;
    }
  }

  /** Stores plain bytes under a name, gzipped if that says so. An error of the source passes through. */
  async write(name: string, plain: ByteStream): Promise<void> {
    const gzip = isGzipped(name) ? [createGzip({ level: gzipLevel, chunkSize: readBytes })] : [];
    await this.#store(name, plain, gzip);
  }

  /** Stores a file that is gzipped already as it is, after it was read through once. Error: `format`. */
  async writeGzipped(name: string, gzipped: ByteStream): Promise<void> {
    await this.#store(name, gzipped, [], async (path) => {
      try {
        for await (const _ of readPlain(path, true));
      } catch (cause) {
        throw new TundraError('format', `${name} is damaged: ${messageOf(cause)}`, { cause });
      }
    });
  }

  async #store(
    name: string,
    bytes: ByteStream,
    through: NodeJS.ReadWriteStream[],
    check?: (path: string) => Promise<void>,
  ): Promise<void> {
    this.pathOf(name);
    const temporary = this.newTemporaryPath();
    try {
      await writeNewFile(temporary, bytes, archivePlace, through);
      await check?.(temporary);
      await this.keepAs(temporary, name);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** A path in the folder for a file in the making. Give it its name with `keepAs`, or remove it. */
  newTemporaryPath(): string {
    return join(this.folder, `.tundra-${randomBytes(8).toString('hex')}.tmp`);
  }

  /** Names a file that was made at a temporary path, replacing one of that name. */
  async keepAs(temporaryPath: string, name: string): Promise<void> {
    const path = this.pathOf(name);
    try {
      await rename(temporaryPath, path);
    } catch (error) {
      throw archiveError(error, path, 'cannot be written');
    }
  }

  /** Removes a file; one that is not there is no error. */
  async remove(name: string): Promise<void> {
    const path = this.pathOf(name);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw archiveError(error, path, 'cannot be removed');
    }
  }

  /** Removes what runs that died left half written, and what sets that are gone left. Only for the holder of the archive's
   *  lock. */
  async removeLeftovers(): Promise<void> {
    const names = await this.list();
    const leftovers = names.filter((name) => temporaryName.test(name));
    for (const name of [...leftovers, ...strayAccessPoints(names)]) await this.remove(name);
  }
}

async function* readPlain(path: string, gzipped: boolean): ByteStream {
  if (!gzipped && (await stat(path)).size <= readBytes) {
    // A long chain has a manifest for each set: a stream would take its whole buffer for it, twice.
    yield await readFile(path);
    return;
  }
  const file = createReadStream(path, { highWaterMark: readBytes });
  // The callback is needed only because without one an error would have no receiver: the reader below gets it.
  const plain = gzipped ? pipeline(file, createGunzip({ chunkSize: readBytes }), () => {}) : file;
  yield* plain as AsyncIterable<Buffer>;
}

function archiveError(error: unknown, path: string, what: string): TundraError {
  return diskError(error, archivePlace, path, what);
}
