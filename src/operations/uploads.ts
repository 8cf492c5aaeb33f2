import { rm, stat } from 'node:fs/promises';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { fileBytes } from '../seal/file-bytes.js';
import type { PutSource, StorageBackend } from '../storage/backend.js';

/** A file on the local disk as something to store. */
export async function fileSource(path: string): Promise<PutSource> {
  const { size } = await stat(path);
  return {
    sizeBytes: size,
    open: () => fileBytes(path, 256 * 1024),
    localPath: path,
  };
}

/**
 * Stores a local file, makes sure that the storage has all of it, and returns its size; then the local file goes.
 *
 * @param onSent is told how many more bytes have left; what is sent again after a failure is not told again
 */
export async function uploadFile(
  backend: StorageBackend,
  name: string,
  path: string,
  onSent?: (sizeBytes: number) => void,
): Promise<number> {
  const sizeBytes = await store(backend, name, path, onSent, true);
  await rm(path, { force: true });
  return sizeBytes;
}

/** The same for a file that stays. */
export function storeFile(
  backend: StorageBackend,
  name: string,
  path: string,
  onSent?: (sizeBytes: number) => void,
): Promise<number> {
  return store(backend, name, path, onSent, false);
}

async function store(
  backend: StorageBackend,
  name: string,
  path: string,
  onSent: ((sizeBytes: number) => void) | undefined,
  isSpare: boolean,
): Promise<number> {
  const source = { ...(await fileSource(path)), isSpare };
  let sentBytes = 0;
  const onPosition = (positionBytes: number) => {
    if (positionBytes <= sentBytes) return;
    onSent?.(positionBytes - sentBytes);
    sentBytes = positionBytes;
  };
  await backend.put(name, { ...source, open: () => watched(source.open(), onPosition) });
  onPosition(source.sizeBytes);
  const stored = await backend.stat(name);
  if (stored?.sizeBytes !== source.sizeBytes) {
    const found = stored === undefined ? 'is not there' : `has ${stored.sizeBytes} bytes`;
    const error = new TundraError(
      'wrong-volume-size',
      `${name} was sent with ${source.sizeBytes} bytes, but on the storage it ${found}`,
      { advice: 'The backup is not complete. Check the storage for space and faults, then run it again.' },
    );
    error.logExtra = `'${name}' ${source.sizeBytes} ${stored?.sizeBytes ?? 0}`;
    throw error;
  }
  return source.sizeBytes;
}

/** The same bytes; tells how many of them have been taken. */
async function* watched(
  bytes: ByteStream,
  onPosition: (positionBytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let positionBytes = 0;
  for await (const piece of bytes) {
    yield piece;
    positionBytes += piece.length;
    onPosition(positionBytes);
  }
}

/** Runs uploads beside the making of the next volumes, a few at a time, in the order they came. */
export class UploadQueue {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for a place and starts an upload. Rejects if an earlier one failed. */
  async add(upload: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
    this.#throwFailure();
    const running: Promise<void> = upload()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when all have ended well. */
  async drain(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  /** Resolves when all have ended, well or not. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
