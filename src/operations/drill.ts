import { closeSync, lstatSync, openSync, readSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, TundraError } from '../base/errors.js';
import { level, type OperationEvent } from '../base/events.js';
import { diskPath, displayKey, type Latin1, latin1OfNative, type PathKey } from '../base/path-key.js';
import type { RestorePlan } from '../chain/restore-plan.js';
import { noKinds } from '../format/tar/records.js';
import { loadKernel } from '../rsync/kernel.js';
import { SignatureBuilder } from '../rsync/signature-builder.js';
import { parseSignatureHeader, STRONG_SIZE_BYTES } from '../rsync/signature-format.js';
import { beginThaw, clearDrillSpool, withSpool } from './cold-volumes.js';
import { type Candidate, pickFiles } from './pick-files.js';
import { planAt } from './plan-at.js';
import { runPlan } from './restore-run.js';
import { newTempPath, type Session, tell } from './session.js';
import { planThaw } from './thaw-plan.js';

export interface DrillOptions {
  /** Try this path; files picked at random if undefined. */
  path: PathKey | undefined;
  /** How many files to pick at most. */
  files: number;
  /** Thaw no more than this. */
  maxThawBytes: number;
  /** Wait no longer than this for a thaw, in milliseconds. */
  maxWaitMs: number;
  spoolBytes: number;
  random(): number;
}

/** A file that was restored and compared. */
export interface DrilledFile {
  key: PathKey;
  /** What is wrong with it; undefined if nothing is. */
  problem: string | undefined;
}

export interface DrillReport {
  files: DrilledFile[];
  /** Volumes that were read, and what of them had to be thawed. */
  volumes: number;
  thawedVolumes: number;
  thawedBytes: number;
  restoredBytes: number;
  seconds: number;
}

/** How many files are looked at, for each that is wanted, before those that fit the limits are enough. */
const triesPerFile = 5;
const readBytes = 1 << 20;

/**
 * Proves that a backup restores, at a price that was chosen: picks files at random, has what they need thawed, restores
 * them to a scratch folder, and compares them with the signatures, which the backup keeps apart from the volumes.
 */
export async function drill(session: Session, options: DrillOptions): Promise<DrillReport> {
  return withSpool(session, () => drillAlone(session, options));
}

/** A file that was chosen, and what it takes to restore it. */
interface Chosen extends Candidate {
  plan: RestorePlan;
}

async function drillAlone(loud: Session, options: DrillOptions): Promise<DrillReport> {
  // What is told of a restore would drown what is told of the drill.
  const session: Session = { ...loud, events: (event) => isTrouble(event) && loud.events(event) };
  const startedMs = Date.now();
  const time = session.now();
  const candidates = await pickFiles(session, time, {
    path: options.path,
    count: options.files * triesPerFile,
    random: options.random,
  });
  const report: DrillReport = {
    files: [],
    volumes: 0,
    thawedVolumes: 0,
    thawedBytes: 0,
    restoredBytes: 0,
    seconds: 0,
  };
  const scratch = newTempPath(session, 'drill');
  await mkdir(scratch, { mode: 0o700 });
  const volumes = new Map<string, { state: string; sizeBytes: number }>();
  try {
    const chosen: Chosen[] = [];
    for (const candidate of candidates) {
      if (chosen.length >= options.files) break;
      const plan = await planAt(session, {
        path: candidate.key,
        time,
        ignoreErrors: false,
        dryRun: false,
        sealedMetadata: 'ask',
      });
      const needed = (await planThaw(session, plan)).volumes;
      const added = needed.filter(({ name, state }) => state === 'sealed' && !volumes.has(name));
      const addedBytes = added.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      if (report.thawedBytes + addedBytes > options.maxThawBytes) continue;
      for (const { name, state, sizeBytes } of needed) volumes.set(name, { state, sizeBytes });
      report.thawedVolumes += added.length;
      report.thawedBytes += addedBytes;
      chosen.push({ ...candidate, plan });
    }
    if (chosen.length === 0) throw nothingFits(candidates.length, options);
    report.volumes = volumes.size;
    tell(
      loud,
      'notice',
      `Files to restore: ${chosen.length}; volumes to read: ${volumes.size}, of which ${report.thawedVolumes} must be thawed.`,
    );
    // A long wait may follow, in which backups go on: what the signatures tell is known.
    if (session.backend.cold !== undefined) await session.releaseArchive();
    await thawWithin(loud, [...volumes.keys()], options.maxWaitMs);
    for (const [i, file] of chosen.entries()) {
      const target = latin1OfNative(join(scratch, String(i)));
      report.files.push(await tryFile(session, file, target, options, report));
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await clearDrillSpool(session);
  }
  report.seconds = (Date.now() - startedMs) / 1000;
  return report;
}

function isTrouble(event: OperationEvent): boolean {
  return event.kind === 'file-warning' || (event.kind === 'message' && level[event.level] <= level.warning);
}

/** Waits until the volumes can be read. Error: `not-thawed` if that takes too long. */
async function thawWithin(session: Session, names: readonly string[], maxWaitMs: number): Promise<void> {
  if (session.backend.cold === undefined) return;
  const thaw = await beginThaw(session, names);
  let timer: NodeJS.Timeout | undefined;
  try {
    const tooLong = new Promise<never>((_, reject) => {
      const error = new TundraError('not-thawed', 'What the drill needs is not thawed within --max-wait.', {
        advice: 'It was asked for: run the drill again later with --path-to-restore, or allow a longer wait.',
      });
      timer = setTimeout(() => reject(error), maxWaitMs);
    });
    await Promise.race([thaw.allReady(), tooLong]);
  } finally {
    clearTimeout(timer);
    await thaw.stop();
  }
}

/** Restores one file and compares it with its signature. */
async function tryFile(
  session: Session,
  { key, attributes, signature, plan }: Chosen,
  target: Latin1,
  options: DrillOptions,
  report: DrillReport,
): Promise<DrilledFile> {
  try {
    const result = await runPlan(
      session,
      plan,
      {
        requiredSigner: undefined,
        ignoreErrors: false,
        cold: { spoolBytes: options.spoolBytes, noWait: false },
        purpose: 'drill',
      },
      {
        ...{ kind: 'restore', target, renames: new Map(), recordKinds: noKinds },
        ...{ restoreOwnership: false, numericOwner: false },
      },
    );
    report.restoredBytes += result.contentBytes;
    if (result.entries === 0 || result.failures > 0) return { key, problem: 'it could not be restored' };
    const { mode } = lstatSync(diskPath(target));
    const setIdBits = 0o6000;
    if (((mode ^ attributes.mode) & 0o7777 & ~setIdBits) !== 0)
      return { key, problem: 'its permissions differ' };
    return { key, problem: hasSignature(target, signature) ? undefined : 'its contents differ' };
  } catch (error) {
    if (!(error instanceof TundraError)) throw error;
    return { key, problem: messageOf(error) };
  }
}

/** Whether a signature of the file is the one that was recorded. */
function hasSignature(path: Latin1, recorded: Buffer): boolean {
  const { blockSizeBytes, rollingSum, strongSum, strongSizeBytes } = parseSignatureHeader(recorded);
  if (rollingSum !== 'rollsum' || strongSum !== 'md4' || strongSizeBytes !== STRONG_SIZE_BYTES) {
    throw new TundraError('format', 'its signature is of a kind that cannot be made here');
  }
  const builder = new SignatureBuilder(loadKernel(), blockSizeBytes);
  const buffer = Buffer.allocUnsafe(readBytes);
  const fd = openSync(diskPath(path), 'r');
  let compared = 0;
  const matches = (made: Uint8Array) => {
    const expected = recorded.subarray(compared, compared + made.length);
    compared += made.length;
    return expected.equals(made);
  };
  try {
    for (let size = readSync(fd, buffer); size > 0; size = readSync(fd, buffer)) {
      builder.update(buffer.subarray(0, size));
      if (!matches(builder.take())) return false;
    }
    return matches(builder.finish()) && compared === recorded.length;
  } finally {
    closeSync(fd);
  }
}

function nothingFits(candidates: number, { path, maxThawBytes }: DrillOptions): TundraError {
  if (candidates === 0) {
    return new TundraError(
      'path-not-in-backup',
      path === undefined
        ? 'The backup holds no file to try.'
        : `${displayKey(path)} is no file in the backup.`,
    );
  }
  return new TundraError(
    'user-error',
    `None of the ${candidates} files that were looked at can be restored by thawing ${maxThawBytes} bytes or less.`,
    { advice: 'Allow more with --max-thaw; "plan" tells what a path needs.' },
  );
}
