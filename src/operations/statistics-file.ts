import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ByteStream, collectBytes } from '../base/bytes.js';
import { messageOf, TundraError } from '../base/errors.js';
import { temporaryPlace } from '../base/local-disk.js';
import { unsealedName } from '../chain/metadata.js';
import { writeNewFile } from '../chain/new-file.js';
import { type BackupSet, timesKey } from '../chain/sets.js';
import { formatStatisticsName, parseStatisticsName } from '../format/statistics-name.js';
import { readWhole } from '../storage/read-whole.js';
import type { BackupReport } from './backup.js';
import { sealToFile } from './seal-file.js';
import { newTempPath, type Session, tell } from './session.js';
import { uploadFile } from './uploads.js';

const mostBytes = 1 << 20;

/** A set's statistics, under the names of the block that is printed. */
export type StoredStatistics = Record<string, unknown>;

/** Keeps a set's statistics on the storage, sealed as a manifest is, and in the local archive. */
export async function storeStatistics(session: Session, { times, statistics }: BackupReport): Promise<void> {
  const { backend, archive, prefixes, manifestCipher } = session;
  const { startTime, endTime, ...counts } = statistics;
  const text = JSON.stringify({
    BackupType: times.type,
    StartTime: startTime,
    EndTime: endTime,
    ElapsedTime: endTime - startTime,
    SourceFiles: counts.sourceFiles,
    SourceFileSize: counts.sourceFileSizeBytes,
    NewFiles: counts.newFiles,
    NewFileSize: counts.newFileSizeBytes,
    DeletedFiles: counts.deletedFiles,
    ChangedFiles: counts.changedFiles,
    ChangedFileSize: counts.changedFileSizeBytes,
    ChangedDeltaSize: 0,
    DeltaEntries: counts.deltaEntries,
    RawDeltaSize: counts.rawDeltaSizeBytes,
    TotalDestinationSizeChange: counts.totalDestinationSizeChangeBytes,
    Errors: counts.errors,
  });
  const { encrypted, compressed } = manifestCipher;
  const name = formatStatisticsName({ set: times, encrypted, compressed }, prefixes);
  const path = newTempPath(session, 'jsonstat');
  await sealToFile(manifestCipher, once(text), path, temporaryPlace);
  await uploadFile(backend, name, path);
  await archive.write(unsealedName(name), once(text));
}

/** The statistics of sets, as far as there are any: from the local archive, else from the storage, but not from cold storage. */
export async function readStatistics(
  session: Session,
  sets: readonly BackupSet[],
): Promise<Map<BackupSet, StoredStatistics>> {
  const { archive, backend } = session;
  const local = new Set(await archive.list());
  const sealed = new Set(((await backend.cold?.survey()) ?? []).map(({ name }) => name));
  const stored = statisticsNames(
    session,
    (await backend.list()).map(({ name }) => name),
  );
  const found = new Map<BackupSet, StoredStatistics>();
  for (const set of sets) {
    const name = stored.get(timesKey(set.times));
    if (name === undefined) continue;
    const localName = unsealedName(name);
    if (!local.has(localName) && sealed.has(name)) continue;
    try {
      const bytes = local.has(localName)
        ? await collectBytes(archive.read(localName), mostBytes)
        : await fetchStatistics(session, name);
      const value: unknown = JSON.parse(bytes.toString('utf8'));
      if (typeof value === 'object' && value !== null) found.set(set, value as StoredStatistics);
    } catch (error) {
      if (!(error instanceof TundraError || error instanceof SyntaxError || error instanceof RangeError))
        throw error;
      tell(session, 'warning', `${name} cannot be read: ${messageOf(error)}`);
    }
  }
  return found;
}

/** The names of statistics among others, by `timesKey` of their set. */
export function statisticsNames({ prefixes }: Session, names: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of names) {
    const parsed = parseStatisticsName(name, prefixes);
    if (parsed !== undefined) found.set(timesKey(parsed.set), name);
  }
  return found;
}

async function fetchStatistics(session: Session, name: string): Promise<Buffer> {
  const { backend, retries, opener, prefixes, tempFolder, events } = session;
  const options = { ...retries, onEvent: events };
  const parsed = parseStatisticsName(name, prefixes);
  const stored = await readWhole(backend, name, (bytes) => collectBytes(bytes, mostBytes), options);
  if (parsed === undefined || !(parsed.encrypted || parsed.compressed)) return stored;
  const path = join(tempFolder, `tundra-${name.slice(-40)}`);
  try {
    await writeNewFile(path, once(stored), temporaryPlace);
    return await collectBytes((await opener.open(path, parsed, name)).bytes, mostBytes);
  } finally {
    await rm(path, { force: true });
  }
}

async function* once(bytes: string | Uint8Array): ByteStream {
  yield typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
}
