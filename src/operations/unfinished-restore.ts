import { collectBytes } from '../base/bytes.js';
import type { EpochSeconds } from '../format/times.js';
import type { Session } from './session.js';

/** A restore that was begun, as it was asked for. */
export interface BegunRestore {
  target: string;
  path: string;
  /** The time as the user gave it. */
  time: string | undefined;
}

/** The file in the local archive that tells of the restore which is under way, or was broken off. */
const markerName = 'tundra-restore.json';
const limitBytes = 1 << 20;

/** The time that an unfinished restore of the very same kind restores; undefined if there is none. */
export async function timeOfUnfinished(
  { archive }: Session,
  wanted: BegunRestore,
): Promise<EpochSeconds | undefined> {
  try {
    const text = (await collectBytes(archive.read(markerName), limitBytes)).toString('utf8');
    const { at, ...begun } = JSON.parse(text) as BegunRestore & { at: EpochSeconds };
    const isSame = begun.target === wanted.target && begun.path === wanted.path && begun.time === wanted.time;
    return isSame && Number.isSafeInteger(at) ? at : undefined;
  } catch {
    // Whatever cannot be read tells of nothing.
    return undefined;
  }
}

/** Notes that a restore begins. */
export async function noteBegun({ archive }: Session, begun: BegunRestore, at: EpochSeconds): Promise<void> {
  const text = Buffer.from(JSON.stringify({ ...begun, at }));
  await archive.write(
    markerName,
    (async function* () {
      yield text;
    })(),
  );
}

/** Notes that it has ended. */
export async function noteFinished({ archive }: Session): Promise<void> {
  await archive.remove(markerName);
}
