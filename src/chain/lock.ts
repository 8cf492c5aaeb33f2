import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, TundraError } from '../base/errors.js';
import { archivePlace, diskError } from '../base/local-disk.js';
import { isRunning, startOfProcess } from '../base/process-start.js';
import { keepPeerOut } from './peer-lock.js';

/** The right to write to a local archive. */
export interface ArchiveLock {
  /** Gives it up. A second call does nothing. */
  release(): Promise<void>;
}

/** Who holds a lock, as its file says. */
interface Holder {
  pid: number;
  /** What tells the process from a later one of the same number; null where the system does not tell. */
  start: string | null;
  host: string;
  /** ISO 8601. */
  since: string;
  /** Differs in every lock that was ever taken. */
  token: string;
}

/** A lock file as it was found; without a holder if it holds no valid one. */
type Found = { token: string; holder: Holder } | { token: string; holder: undefined; ageMs: number };

/** A kind of lock: the name of its file, and what a run does that holds it. */
interface LockKind {
  name: string;
  use(folder: string): string;
}

const archiveLock: LockKind = {
  name: 'lockfile.tundra',
  use: (folder) => `uses the local archive ${folder}`,
};
const spoolLock: LockKind = {
  name: 'tundra-spool.lock',
  use: (folder) => `restores from cold storage with the local archive ${folder}`,
};
/** A file that is not whole yet belongs to a run that is writing it, but not for longer than this. */
const unfinishedForMs = 60_000;
/** More dead runs than this, each of which died while it took over from another, are no accident. */
const deepestTakeover = 8;
const rounds = 50;
const roundPauseMs = 20;

/**
 * Takes the lock of a local archive folder, so that no other run changes the archive meanwhile. A held lock is a
 * `user-error` that says who holds it; a folder that cannot be written, `bad-archive-dir`.
 *
 * The lock is the file `lockfile.tundra`. What a run that died has left is taken over; a lock of another host is not,
 * because nobody here can tell whether its run lives. Runs of the peer are kept out, and noticed, as far as the system
 * lets us: see `keepPeerOut`.
 */
export async function acquireArchiveLock(
  folder: string,
  options: { env: Readonly<Record<string, string | undefined>> },
): Promise<ArchiveLock> {
  const own = await takeLock(folder, join(folder, archiveLock.name), archiveLock);
  try {
    const peer = await keepPeerOut(folder, options.env);
    let released: Promise<void> | undefined;
    const release = () => peer.release().finally(() => own.release());
    return {
      release: () => {
        released ??= release();
        return released;
      },
    };
  } catch (error) {
    await own.release();
    throw error;
  }
}

/**
 * Takes the lock on the volumes that are kept in a local archive until they are restored. It is held without that of the
 * archive by a run that waits for cold storage, so that backups can go on. A held one is a `user-error`.
 */
export function acquireSpoolLock(folder: string): Promise<ArchiveLock> {
  return takeLock(folder, join(folder, spoolLock.name), spoolLock);
}

/**
 * Takes one lock file.
 *
 * A dead holder's file may be replaced only by who holds the lock that is named for that file's token, and only while it
 * still has that token. So of several runs that find the same dead holder, one replaces it and none removes the lock of
 * another. Should a run die while it does so, its lock for doing so is taken over in the same way.
 */
async function takeLock(folder: string, path: string, kind: LockKind, depth = 0): Promise<ArchiveLock> {
  const pid = process.pid;
  const start = startOfProcess(pid) ?? null;
  const holder: Holder = { pid, start, host: hostname(), since: new Date().toISOString(), token: newToken() };
  const lock = { release: () => releaseLock(path, holder.token) };
  for (let round = 0; round < rounds; round++) {
    if (round > 0) await sleep(roundPauseMs);
    if (await createWhole(folder, path, holder)) return lock;
    const found = await readLock(path);
    if (found === undefined) continue;
    // A network file system can say that a link failed which it has made.
    if (found.token === holder.token) return lock;
    if (found.holder === undefined ? found.ageMs < unfinishedForMs : isAlive(found.holder)) {
      throw heldBy(folder, path, kind, found.holder);
    }
    if (depth === deepestTakeover) break;
    const right = await takeLock(folder, join(folder, `${kind.name}.${found.token}`), kind, depth + 1);
    try {
      if ((await readLock(path))?.token !== found.token) continue;
      const spare = await writeSpare(folder, holder);
      await rename(spare, path).catch((error) => fail(error, path));
      return lock;
    } finally {
      await right.release();
    }
  }
  throw new TundraError('user-error', `the lock ${path} could not be taken over from a run that has died`, {
    advice: `If no other run is using ${folder}, remove all files in it whose names begin with ${kind.name}.`,
    retry: 'later',
  });
}

async function releaseLock(path: string, token: string): Promise<void> {
  if ((await readLock(path))?.token === token)
    await rm(path, { force: true }).catch((error) => fail(error, path));
}

/** Makes the lock file with all its content at once. False if there is one. */
async function createWhole(folder: string, path: string, holder: Holder): Promise<boolean> {
  const spare = await writeSpare(folder, holder);
  try {
    await link(spare, path);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    // The spare file can fall victim to a tidy run that holds the lock.
    if (errno === 'EEXIST' || errno === 'ENOENT') return false;
  } finally {
    await rm(spare, { force: true }).catch(() => {});
  }
  // A file system without hard links: for a moment the file is there and not whole.
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    return fail(error, path);
  }
}

/** Writes the holder to a new file, under a name that is tidied up as a leftover should we die here. */
async function writeSpare(folder: string, holder: Holder): Promise<string> {
  const spare = join(folder, `.tundra-${newToken()}.tmp`);
  await writeFile(spare, JSON.stringify(holder), { flag: 'wx', mode: 0o600 }).catch((error) =>
    fail(error, spare),
  );
  return spare;
}

async function readLock(path: string): Promise<Found | undefined> {
  try {
    const { ino, mtimeMs } = await stat(path);
    const holder = parseHolder(await readFile(path, 'utf8'));
    if (holder) return { token: holder.token, holder };
    return { token: `${ino}-${Math.trunc(mtimeMs)}`, holder, ageMs: Date.now() - mtimeMs };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    return fail(error, path);
  }
}

/** Undefined for what is no holder. The token becomes part of a file name: it is not taken as it comes. */
function parseHolder(text: string): Holder | undefined {
  let value: Partial<Record<keyof Holder, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, start, host, since, token } = value;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1 || pid > 0x7fffffff) return undefined;
  if (typeof start !== 'string' && start !== null) return undefined;
  if (typeof host !== 'string' || typeof since !== 'string') return undefined;
  if (typeof token !== 'string' || !/^[0-9a-f]{16}$/.test(token)) return undefined;
  return { pid, start, host, since, token };
}

function isAlive(holder: Holder): boolean {
  return holder.host !== hostname() || isRunning(holder.pid, holder.start);
}

function heldBy(folder: string, path: string, { use }: LockKind, holder: Holder | undefined): TundraError {
  if (holder === undefined) {
    return new TundraError('user-error', `another run is just taking the local archive ${folder}`, {
      retry: 'later',
    });
  }
  const { pid, host, since } = holder;
  const elsewhere = host === hostname() ? '' : ` on ${host}`;
  const advice =
    elsewhere === ''
      ? 'Wait until that run has ended.'
      : `Wait until that run has ended. If it has died, remove ${path}.`;
  return new TundraError(
    'user-error',
    `another run, process ${pid}${elsewhere}, ${use(folder)} since ${since}`,
    { advice, retry: 'later' },
  );
}

function newToken(): string {
  return randomBytes(8).toString('hex');
}

function fail(error: unknown, path: string): never {
  throw diskError(error, archivePlace, path, 'cannot be used as a lock');
}
