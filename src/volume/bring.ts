import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { giveBuffer, takeBuffer } from '../base/buffer-pool.js';
import type { ByteStream } from '../base/bytes.js';
import { type Retry, TundraError } from '../base/errors.js';
import { type DiskPlace, diskError } from '../base/local-disk.js';
import type { StorageBackend } from '../storage/backend.js';
import { type RereadOptions, readWhole } from '../storage/read-whole.js';
import type { HashThread } from './hash-thread.js';

/** A volume to fetch. */
export interface FetchableVolume {
  name: string;
  hash: { algorithm: string; hex: string } | undefined;
  encrypted: boolean;
  compressed: boolean;
}

export interface BringOptions {
  backend: StorageBackend;
  /** How often a volume is fetched that breaks off on its way, or comes with a wrong hash. */
  retries: Omit<RereadOptions, 'signal'>;
}

/** A connection brings small pieces, and each write takes a turn of the thread pool. */
const writtenBytes = 512 * 1024;
/** Smaller files are hashed without a stream, which takes more memory: there may be one for each of many sets. */
const fewBytes = 512 * 1024;
const fewAtOnceBytes = 64 * 1024;
/** Smaller files are hashed by the time a thread has started. */
const hashedHereBytes = 16 * 1024 * 1024;

/**
 * Copies a volume from the storage to a new file and checks its hash.
 *
 * @param place what the file's folder is, for messages
 * @param signal ends it, with an error
 */
export async function bringVolume(
  volume: FetchableVolume,
  path: string,
  place: DiskPlace,
  { backend, retries }: BringOptions,
  signal: AbortSignal,
): Promise<void> {
  const { name, hash } = volume;
  const failed = (error: unknown): never => {
    throw diskError(error, place, path, 'cannot be written');
  };
  const file = await open(path, 'wx', 0o600).catch(failed);
  const wrongHashes = new Set<string>();
  const take = async (bytes: ByteStream) => {
    const actual = await fill(file, bytes, newDigest(volume), () => throwIfAborted(signal, name), failed);
    // What comes with the same wrong hash twice is so on the storage.
    const retry = wrongHashes.has(actual) ? 'never' : 'now';
    wrongHashes.add(actual);
    if (hash !== undefined) requireHash(name, hash, actual, retry);
  };
  try {
    await readWhole(backend, name, take, { ...retries, signal });
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Fills a file with what comes, and returns the hash of that. */
async function fill(
  file: FileHandle,
  bytes: ByteStream,
  digest: Hash,
  beforeEach: () => void,
  failed: (error: unknown) => never,
): Promise<string> {
  await file.truncate().catch(failed);
  const gathered = Buffer.allocUnsafe(writtenBytes);
  let size = 0;
  let position = 0;
  const write = async () => {
    for (let done = 0; done < size; )
      done += (await file.write(gathered, done, size - done, position + done).catch(failed)).bytesWritten;
    position += size;
    size = 0;
  };
  for await (const piece of bytes) {
    beforeEach();
    digest.update(piece);
    for (let taken = 0; taken < piece.length; ) {
      const part = piece.subarray(taken, taken + gathered.length - size);
      gathered.set(part, size);
      size += part.length;
      taken += part.length;
      if (size === gathered.length) await write();
    }
  }
  await write();
  return digest.digest('hex');
}

export function throwIfAborted(signal: AbortSignal, name: string): void {
  if (signal.aborted) throw new TundraError('generic', `${name} is not wanted any more`);
}

/**
 * Checks the hash of a volume that lies on the local disk, if it has one. Error: `hash-mismatch`.
 * @param thread hashes what is large
 */
export async function checkHashOnDisk(
  volume: FetchableVolume,
  path: string,
  thread?: HashThread,
): Promise<void> {
  const { hash } = volume;
  if (hash !== undefined) requireHash(volume.name, hash, await hashFile(path, volume, thread), 'never');
}

/** @param retry whether the volume may be right when it is fetched again */
function requireHash(
  name: string,
  expected: { algorithm: string; hex: string },
  actual: string,
  retry: Retry,
): void {
  if (actual === expected.hex.toLowerCase()) return;
  throw new TundraError(
    'hash-mismatch',
    `Invalid data - ${expected.algorithm} hash mismatch for file:\n ${name}\n` +
      ` Calculated hash: ${actual}\n Manifest hash: ${expected.hex}`,
    {
      advice:
        'The volume is damaged on the storage or on its way. Try again; if it stays so, restore an earlier time.',
      retry,
    },
  );
}

function newDigest(volume: FetchableVolume): Hash {
  try {
    return createHash(algorithmOf(volume));
  } catch (cause) {
    throw new TundraError(
      'unreadable-manifests',
      `${volume.name}: the manifest has a hash of an unknown kind: ${volume.hash?.algorithm}`,
      { cause },
    );
  }
}

function algorithmOf({ hash }: FetchableVolume): string {
  return hash?.algorithm.toLowerCase() ?? 'sha1';
}

async function hashFile(
  path: string,
  volume: FetchableVolume,
  thread: HashThread | undefined,
): Promise<string> {
  const digest = newDigest(volume);
  try {
    const { size } = await stat(path);
    if (size <= fewBytes) return await hashFew(path, digest);
    if (thread !== undefined && size > hashedHereBytes) return await thread.hash(path, algorithmOf(volume));
    for await (const piece of createReadStream(path, { highWaterMark: 512 * 1024 }))
      digest.update(piece as Buffer);
  } catch (cause) {
    throw new TundraError('backend-not-found', `${volume.name} cannot be read from the storage`, { cause });
  }
  return digest.digest('hex');
}

async function hashFew(path: string, digest: Hash): Promise<string> {
  const file = await open(path, 'r');
  const buffer = takeBuffer(fewAtOnceBytes);
  try {
    for (let size = -1; size !== 0; ) {
      size = (await file.read(buffer, 0, buffer.length)).bytesRead;
      digest.update(buffer.subarray(0, size));
    }
  } finally {
    giveBuffer(buffer);
    await file.close();
  }
  return digest.digest('hex');
}
