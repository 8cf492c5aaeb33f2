import type { Latin1 } from '../../base/path-key.js';
import { slashPath } from '../../base/path-key.js';
import type { BackupStatistics } from '../../base/statistics.js';
import {
  allSets,
  type BackupChain,
  type BackupSet,
  type Catalog,
  lastFullTime,
} from '../../chain/catalog.js';
import type { FileChange } from '../../format/manifest.js';
import { setEnd } from '../../format/names.js';
import type { EpochSeconds } from '../../format/times.js';
import type { BackupReport } from '../../operations/backup.js';
import type { ListedEntry } from '../../operations/list.js';
import type { ReplicatedSet } from '../../operations/replicate.js';
import type { FileChangeRecord, StatusPlaces } from './collection-status.js';

/**
 * A path for programs: as text; where its bytes are no UTF-8, of which U+FFFD stands for what is not, also the bytes
 * themselves in base 64.
 */
export function jsonPath(path: Latin1): { path: string; pathBase64?: string } {
  const bytes = Buffer.from(path, 'latin1');
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { path: text }
    : { path: text, pathBase64: bytes.toString('base64') };
}

/** A document for people too. */
export function jsonDocument(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** `2026-01-31T16:04:05Z`. */
export function jsonTime(seconds: EpochSeconds): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** An entry of a listing, in one line. */
export function listJson({ key, attributes }: ListedEntry): string {
  const { type, mode, uid, gid, uname, gname, mtimeSeconds, linkTarget } = attributes;
  const target = linkTarget === '' ? undefined : jsonPath(linkTarget);
  return JSON.stringify({
    ...jsonPath(slashPath(key)),
    type,
    modifiedAt: jsonTime(mtimeSeconds),
    mode,
    uid,
    gid,
    user: jsonPath(uname).path,
    group: jsonPath(gname).path,
    ...(target && { target: target.path }),
    ...(target?.pathBase64 !== undefined && { targetBase64: target.pathBase64 }),
  });
}

/** What each set that a run made took, or would make; one that it left out, as nothing had changed, is not among them. */
export function backupJson(reports: readonly BackupReport[], dryRun: boolean): string {
  const sets = reports
    .filter(({ isMade }) => isMade || dryRun)
    .map(({ kind, statistics }) => ({
      type: kind,
      statistics: statisticsJson(statistics),
    }));
  return jsonDocument({ dryRun, sets });
}

function statisticsJson({ startTime, endTime, ...counts }: BackupStatistics) {
  return { startTime, endTime, elapsedSeconds: Math.round((endTime - startTime) * 1000) / 1000, ...counts };
}

/** The sets that were copied, or would be, and how many were there before. */
export function replicaJson(copied: readonly ReplicatedSet[], there: number, dryRun: boolean): string {
  const sets = copied.map(({ type, time, files, sizeBytes }) => ({
    type,
    time: jsonTime(time),
    files,
    bytes: sizeBytes,
  }));
  return jsonDocument({ dryRun, sets, there });
}

/** The state of a collection; with `statistics`, what was kept of each set. */
export function collectionJson(
  catalog: Catalog,
  { archiveFolder }: StatusPlaces,
  statistics?: ReadonlyMap<BackupSet, unknown>,
): string {
  const { chains, primary, orphanedSets, incompleteSets, warnings } = catalog;
  const last = lastFullTime(catalog);
  const chainJson = (chain: BackupChain) => ({
    isPrimary: chain === primary?.chain,
    startTime: jsonTime(chain.startTime),
    endTime: jsonTime(chain.endTime),
    sets: allSets(chain).map((set) => ({
      ...setJson(set),
      ...(statistics && { statistics: statistics.get(set) ?? null }),
    })),
  });
  return jsonDocument({
    archiveFolder,
    lastFullTime: last === undefined ? null : jsonTime(last),
    chains: chains.map(chainJson),
    orphanedSets: orphanedSets.map(setJson),
    incompleteSets: incompleteSets.map(setJson),
    warnings: warnings.map(({ code, text, names }) => ({ code, text, names })),
  });
}

function setJson(set: BackupSet) {
  const { times, volumes, encrypted, partial, manifestName } = set;
  return {
    type: times.type,
    time: jsonTime(setEnd(times)),
    ...(times.type === 'incremental' && { since: jsonTime(times.start) }),
    volumes: volumes.size,
    encrypted,
    isInterrupted: partial,
    hasManifest: manifestName !== undefined,
  };
}

/** What became of one file, set by set. */
export function fileChangesJson(path: Latin1, records: readonly FileChangeRecord[]): string {
  return jsonDocument({
    ...jsonPath(path),
    sets: records.map(({ set, change }) => ({ ...setJson(set), change })),
  });
}

/** A changed file of a set, in one line. */
export function changeJson({ key, change }: { key: string; change: FileChange }): string {
  return JSON.stringify({ ...jsonPath(slashPath(key)), change });
}
