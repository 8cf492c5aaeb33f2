import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { archivePlace, onDisk } from '../base/local-disk.js';
import type { LocalArchive } from './archive.js';

/** A thaw that was waited for. */
export interface SeenThaw {
  /** The class of storage: `pca`. */
  storageClass: string;
  /** The store that held the object, for people. */
  store: string;
  sizeBytes: number;
  /** From the request until the object could be read. */
  waitedMs: number;
  /** When that was, in milliseconds since the epoch. */
  atMs: number;
}

/** The thaws that were seen, in order of their times. */
export type ThawHistory = readonly SeenThaw[];

/** How long a thaw is likely to take, and whether that was seen here or is what the class of storage promises. */
export interface ExpectedWait {
  fromMs: number;
  toMs: number;
  source: 'seen' | 'class';
}

/** The file in the local archive. It is no backup's, so that the peer leaves it alone. */
export const thawHistoryName = 'tundra-thaws.json';

const keptOfClass = 200;
/** Fewer say nothing about the next one. */
const leastSeen = 3;
/** Far more than it grows to. */
const limitBytes = 4 << 20;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** What classes of storage promise, or are known for. */
const promisedWaits: ReadonlyMap<string, readonly [fromMs: number, toMs: number]> = new Map([
  // Waits seen by users; the guide says only that they grow with the age of the data and how often it is read:
  // https://docs.ovhcloud.com/en/guides/storage-and-backup/object-storage/pca-unlock
  ['pca', [10 * minuteMs, 12 * hourMs]],
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
  ['s3-glacier-expedited', [minuteMs, 5 * minuteMs]],
  ['s3-glacier-standard', [3 * hourMs, 5 * hourMs]],
  ['s3-glacier-bulk', [5 * hourMs, 12 * hourMs]],
  ['s3-deep-archive-standard', [0, 12 * hourMs]],
  ['s3-deep-archive-bulk', [0, 48 * hourMs]],
  // Standard priority: https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview
  ['azure-archive', [0, 15 * hourMs]],
]);

/** Reads the history. One that is absent, damaged or cannot be read is empty. */
export function readThawHistory(archive: Pick<LocalArchive, 'pathOf'>): ThawHistory {
  const path = archive.pathOf(thawHistoryName);
  try {
    if (statSync(path).size > limitBytes) return [];
    const { thaws }: { thaws: unknown } = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(thaws) ? newestOfEach(thaws.filter(isSeenThaw)) : [];
  } catch {
    return [];
  }
}

/**
 * Adds a thaw to the history, which keeps the newest 200 of each class, and replaces its file in one step. For the
 * holder of the archive's lock.
 *
 * @throws TundraError `bad-archive-dir` or `no-free-space`; the old history is then still there
 */
export function recordThaw(
  archive: Pick<LocalArchive, 'pathOf' | 'newTemporaryPath'>,
  { storageClass, store, sizeBytes, waitedMs, atMs }: SeenThaw,
): void {
  // Without a pause between reading and writing, thaws that end side by side cannot lose one another.
  const seen = { storageClass, store, sizeBytes, waitedMs, atMs };
  const thaws = newestOfEach([...readThawHistory(archive), seen]);
  const lines = thaws.map((thaw) => JSON.stringify(thaw)).join(',\n');
  const path = archive.pathOf(thawHistoryName);
  const temporary = archive.newTemporaryPath();
  try {
    onDisk(archivePlace, path, () => {
      writeFileSync(temporary, `{"thaws":[\n${lines}\n]}\n`, { flag: 'wx', mode: 0o600 });
      renameSync(temporary, path);
    });
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * How long the next thaw is likely to take: what eight of ten have taken, where at least three were seen, else what the
 * class of storage promises. Undefined for a class that nothing is known of.
 */
export function expectedWait(history: ThawHistory, storageClass: string): ExpectedWait | undefined {
  const seenMs = history
    .filter((thaw) => thaw.storageClass === storageClass)
    .map(({ waitedMs }) => waitedMs)
    .sort((a, b) => a - b);
  if (seenMs.length >= leastSeen) {
    const atTenth = (tenths: number) => seenMs[Math.ceil((seenMs.length * tenths) / 10) - 1]!;
    return { fromMs: atTenth(1), toMs: atTenth(9), source: 'seen' };
  }
  const promised = promisedWaits.get(storageClass);
  return promised && { fromMs: promised[0], toMs: promised[1], source: 'class' };
}

/** The newest thaws of each class, all in order of their times. */
function newestOfEach(thaws: readonly SeenThaw[]): SeenThaw[] {
  const inOrder = [...thaws].sort((a, b) => a.atMs - b.atMs);
  const counts = new Map<string, number>();
  const kept = inOrder.reverse().filter(({ storageClass }) => {
    const count = (counts.get(storageClass) ?? 0) + 1;
    counts.set(storageClass, count);
    return count <= keptOfClass;
  });
  return kept.reverse();
}

function isSeenThaw(value: unknown): value is SeenThaw {
  if (typeof value !== 'object' || value === null) return false;
  const { storageClass, store, sizeBytes, waitedMs, atMs } = value as Partial<
    Record<keyof SeenThaw, unknown>
  >;
  return (
    typeof storageClass === 'string' &&
    typeof store === 'string' &&
    isCount(sizeBytes) &&
    isCount(waitedMs) &&
    isCount(atMs)
  );
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
