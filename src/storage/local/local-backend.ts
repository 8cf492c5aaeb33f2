import { readdirSync, type Stats, statSync } from 'node:fs';
import {
  chmod,
  constants,
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  rename,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ByteStream } from '../../base/bytes.js';
import { errnoOf, TundraError } from '../../base/errors.js';
import { diskPath, displayBytes, type Latin1, latin1OfNative } from '../../base/path-key.js';
import type { PutSource, StorageBackend, StoredObject } from '../backend.js';
import type { BackendDriver } from '../registry.js';
import { diskFailure } from './failure.js';
import { isTemporaryName, removeAbandoned, temporaryName } from './temporary.js';

const readSizeBytes = 256 * 1024;
/** How many files of a listing are looked at before others may run. */
const filesPerTurn = 256;
/** Links that lead nowhere, or where we may not go. */
const unseen = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']);
const cannotSync = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS', 'EISDIR', 'EPERM', 'EACCES']);

/**
 * `file://folder` and `file:///folder`: a folder on this machine. `gio+file:///folder` is the same, as Déjà Dup writes it.
 */
export const localDriver: BackendDriver = {
  schemes: ['file', 'gio+file'],
  load: () => (url) => {
    if (url.path === '') throw new TundraError('bad-url', `the address ${url.display} names no folder`);
    return openLocal(url.path, url.display);
  },
};

/** Opens the storage in a folder (a native path). The folder and its parents are made if they are missing. */
export async function openLocal(folder: string, description: string): Promise<StorageBackend> {
  // A folder that cannot be made is told by the first call that needs it, as one that vanishes later.
  await mkdir(folder, { recursive: true }).catch(() => {});
  return new LocalBackend(folder, description);
}

class LocalBackend implements StorageBackend {
  readonly description: string;
  readonly promises = { atomicPut: true, consistentList: true };
  readonly #folder: string;
  readonly #folderBytes: Latin1;
  #cleaned: Promise<void> | undefined;

  constructor(folder: string, description: string) {
    this.#folder = folder;
    this.#folderBytes = latin1OfNative(folder);
    this.description = description;
  }

  async put(name: string, source: PutSource): Promise<void> {
    const path = this.#pathOf(name);
    this.#cleaned ??= removeAbandoned(this.#folder, Date.now());
    await this.#cleaned;
    const temporary = `${this.#folder}/${temporaryName()}`;
    const failed = (cause: unknown): never => {
      throw diskFailure('could not write', path, cause);
    };
    const handle = await open(temporary, 'wx').catch(failed);
    try {
      try {
        if (source.localPath === undefined) await writeStream(handle, source.open(), failed);
        else if (!source.isSpare || !(await linkOver(handle, temporary, source.localPath)))
          await copyOver(handle, temporary, source.localPath, failed);
        const size = await syncFile(temporary).catch(failed);
        if (size !== source.sizeBytes) {
          const text = `${displayBytes(path)} came out with ${size} bytes instead of ${source.sizeBytes}`;
          throw new TundraError('backend', text);
        }
      } finally {
        await handle.close().catch(failed);
      }
      await rename(temporary, diskPath(path)).catch(failed);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
    await syncFolder(this.#folder).catch(failed);
  }

  async get(name: string): Promise<ByteStream> {
    const path = this.#pathOf(name);
    if ((await this.#fileAt(path)) === undefined) {
      throw new TundraError('backend-not-found', `${displayBytes(path)} is not there`);
    }
    return readFileAt(path);
  }

  async list(): Promise<StoredObject[]> {
    const objects: StoredObject[] = [];
    try {
      const names = readdirSync(this.#folder, { encoding: 'latin1' });
      for (const [index, name] of names.entries()) {
        // Plain calls are several times faster than a promise for each file; the pauses let others run.
        if (index % filesPerTurn === filesPerTurn - 1) await nextTurn();
        if (isTemporaryName(name)) continue;
        const found = statEntry(`${this.#folderBytes}/${name}`);
        if (found?.isFile()) objects.push({ name, sizeBytes: found.size });
      }
    } catch (cause) {
      throw diskFailure('could not list', this.#folderBytes, cause);
    }
    return objects;
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    const found = await this.#fileAt(this.#pathOf(name));
    return found && { name, sizeBytes: found.size };
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const path = this.#pathOf(name);
      await unlink(diskPath(path)).catch((cause) => {
        if (errnoOf(cause) !== 'ENOENT') throw diskFailure('could not remove', path, cause);
      });
    }
  }

  async close(): Promise<void> {}

  localPathOf(name: string): string | undefined {
    // A native path cannot hold every byte string; objects that we wrote have names it can.
    if (statEntry(this.#pathOf(name))?.isFile() !== true || latin1OfNative(name) !== name) return undefined;
    return `${this.#folder}/${name}`;
  }

  #pathOf(name: string): Latin1 {
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
      throw new TundraError(
        'backend',
        `${JSON.stringify(name)} cannot name an object in ${this.description}`,
      );
    }
    return `${this.#folderBytes}/${name}`;
  }

  /** The plain file at a path, also through links; undefined if there is none. */
  async #fileAt(path: Latin1): Promise<Stats | undefined> {
    try {
      const found = await stat(diskPath(path));
      return found.isFile() ? found : undefined;
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw diskFailure('could not look at', path, cause);
    }
  }
}

/** The entry at a path, through links; undefined if there is none that we may see. */
function statEntry(path: Latin1): Stats | undefined {
  try {
    return statSync(diskPath(path), { throwIfNoEntry: false });
  } catch (error) {
    if (unseen.has(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Writes a whole stream. Only what the disk refuses goes through `failed`: the stream's own errors are not ours. */
async function writeStream(
  handle: FileHandle,
  stream: ByteStream,
  failed: (cause: unknown) => never,
): Promise<void> {
  for await (const piece of stream) {
    let done = 0;
    while (done < piece.length) {
      const { bytesWritten } = await handle.write(piece, done).catch(failed);
      done += bytesWritten;
    }
  }
}

/** Fills a file that was just made from another one, sharing its blocks where the file system can. */
async function copyOver(
  handle: FileHandle,
  path: string,
  from: string,
  failed: (cause: unknown) => never,
): Promise<void> {
  const { mode } = await handle.stat().catch(failed);
  await copyFile(from, path, constants.COPYFILE_FICLONE).catch((cause) => {
    // The file to fill is ours and open: these can only be about the other one.
    if (['ENOENT', 'EACCES', 'EISDIR'].includes(errnoOf(cause) ?? '')) throw cause;
    return failed(cause);
  });
  // The copy has taken over the mode of its source, which is often a private spool file.
  await handle.chmod(mode).catch(() => {});
}

/** Makes the file a second name of another one on the same file system; false where that cannot be. */
async function linkOver(handle: FileHandle, path: string, from: string): Promise<boolean> {
  const linked = `${dirname(path)}/${temporaryName()}`;
  try {
    await link(from, linked);
  } catch {
    return false;
  }
  try {
    await chmod(linked, (await handle.stat()).mode);
    await rename(linked, path);
    return true;
  } catch {
    await unlink(linked).catch(() => {});
    return false;
  }
}

/** Has the disk hold a file, and returns its size. */
async function syncFile(path: string): Promise<number> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Makes renames in a folder last through a power cut, where the file system knows of such a thing. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    if (!cannotSync.has(errnoOf(error) ?? '')) throw error;
  }
}

async function* readFileAt(path: Latin1): ByteStream {
  const failed = (cause: unknown): never => {
    throw diskFailure('could not read', path, cause);
  };
  const handle = await open(diskPath(path), 'r').catch(failed);
  try {
    const buffer = Buffer.allocUnsafe(readSizeBytes);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, readSizeBytes).catch(failed);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
