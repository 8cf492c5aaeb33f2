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

/** No class of storage takes longer to thaw: what was begun before was given up. */
const longestPauseSeconds = 7 * 86_400;

/** The time that an unfinished restore of the very same kind restores; undefined if there is none. */
export async function timeOfUnfinished(
  { archive, now }: Session,
  wanted: BegunRestore,
  limits: { anyAge: boolean },
): Promise<EpochSeconds | undefined> {
  try {
    const text = (await collectBytes(archive.read(markerName), limitBytes)).toString('utf8');
    const { at, begunAt, ...begun } = JSON.parse(text) as Partial<Marker>;
    const isSame = begun.target === wanted.target && begun.path === wanted.path && begun.time === wanted.time;
    const isRecent = Number.isSafeInteger(begunAt) && now() - (begunAt as number) <= longestPauseSeconds;
    return isSame && (limits.anyAge || isRecent) && Number.isSafeInteger(at) ? at : undefined;
  } catch {
    // Whatever cannot be read tells of nothing.
    return undefined;
  }
}

/** What the file holds. */
interface Marker extends BegunRestore {
  /** The time that is restored. */
  at: EpochSeconds;
  /** When the restore was begun, or gone on with. */
  begunAt: EpochSeconds;
}

/** Notes that a restore begins. */
export async function noteBegun(
  { archive, now }: Session,
  begun: BegunRestore,
  at: EpochSeconds,
): Promise<void> {
  const marker: Marker = { ...begun, at, begunAt: now() };
  await archive.write(
    markerName,
    (async function* () {
      yield Buffer.from(JSON.stringify(marker));
    })(),
  );
}

/** Notes that it has ended. */
export async function noteFinished({ archive }: Session): Promise<void> {
  await archive.remove(markerName);
}
