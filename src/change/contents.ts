import { TundraError } from '../base/errors.js';
import { DeltaParser, Patcher } from '../rsync/patcher.js';
import type { VersionKind } from './merge.js';
import { PatchedVersion, type ReadableVersion } from './patched-version.js';
import { Scratch } from './scratch.js';

/** One set's share in a file: the whole data, or a delta to the version before. */
export interface FileVersion {
  readonly entry: { kind: VersionKind } | undefined;
  data(): AsyncIterable<Uint8Array>;
  /** The whole data at once where it is small and at hand. */
  bufferedData(): Uint8Array | undefined;
}

/**
 * Puts a regular file together from its versions, oldest first, and hands the contents to `write` in order. Returns a
 * promise unless all of it was at hand.
 *
 * @param makeScratchPath names a new temporary file, for versions in between that are too large for memory
 */
export function writeContents(
  versions: readonly FileVersion[],
  makeScratchPath: () => string,
  write: (bytes: Uint8Array) => void,
): Promise<void> | undefined {
  const whole = contentsAtHand(versions);
  if (whole === undefined) return putTogether(versions, makeScratchPath, write);
  write(whole);
  return undefined;
}

/** The contents of a regular file, if they are at hand. They are handed out once. */
export function contentsAtHand(versions: readonly FileVersion[]): Uint8Array | undefined {
  const [only] = versions;
  return versions.length === 1 && only?.entry?.kind !== 'diff' ? only?.bufferedData() : undefined;
}

async function putTogether(
  versions: readonly FileVersion[],
  makeScratchPath: () => string,
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  const [base, ...deltas] = versions;
  if (base === undefined) throw new Error('a file needs at least one version');
  if (base.entry?.kind === 'diff') {
    throw new TundraError('format', 'the backup holds a difference to a version that is missing');
  }
  if (deltas.length === 0) return copyData(base, write);
  const whole = new Scratch(makeScratchPath);
  let older: ReadableVersion = whole;
  try {
    await copyData(base, (bytes) => whole.write(bytes));
    for (const delta of deltas.slice(0, -1)) {
      const newer = new PatchedVersion(older, makeScratchPath);
      older = newer;
      await applyDelta(delta, new DeltaParser(newer));
      newer.finish();
    }
    await applyDelta(deltas.at(-1) as FileVersion, new Patcher(older, write));
  } finally {
    older.discard();
  }
}

async function copyData(version: FileVersion, write: (bytes: Uint8Array) => void): Promise<void> {
  const whole = version.bufferedData();
  if (whole !== undefined) write(whole);
  else for await (const piece of version.data()) write(piece);
}

async function applyDelta(delta: FileVersion, parser: DeltaParser): Promise<void> {
  await copyData(delta, (bytes) => parser.update(bytes));
  parser.finish();
}
