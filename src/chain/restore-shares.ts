import { isWithin, type KeyRange, type PathKey } from '../base/path-key.js';
import type { PlannedVolume, RestorePlan } from './restore-plan.js';

/** A part of a restore that can be done beside the others. */
export interface RestoreShare {
  range: KeyRange;
  /** The volumes that may hold something of the range, as in the plan. */
  sets: PlannedVolume[][];
}

/**
 * Divides a plan by path into shares of about the same size, in order. A bound is where a volume of the set with the most
 * of them ends, so that few volumes are read for more than one share.
 */
export function shareOut(plan: RestorePlan, most: number): RestoreShare[] {
  const bounds = boundsOf(plan, most);
  return [...bounds, undefined].map((upTo, index) => {
    const range = { after: bounds[index - 1], upTo };
    return { range, sets: plan.sets.map((volumes) => volumes.filter((volume) => mayHold(volume, range))) };
  });
}

/** The last paths of all shares but the last one. */
function boundsOf({ sets, wanted }: RestorePlan, most: number): PathKey[] {
  const largest = sets.reduce<PlannedVolume[]>((a, b) => (b.length > a.length ? b : a), []);
  const count = Math.min(most, largest.length);
  const bounds: PathKey[] = [];
  for (let share = 1; share < count; share++) {
    // On average the last volume is half full.
    const volumes = Math.max(share, Math.round(((largest.length - 0.5) * share) / count));
    const bound = largest[volumes - 1]?.endKey;
    const last = bounds.at(-1);
    const isUseful =
      bound !== undefined &&
      bound !== wanted &&
      isWithin(bound, wanted) &&
      (last === undefined || bound > last);
    if (isUseful) bounds.push(bound);
  }
  return bounds;
}

function mayHold(volume: PlannedVolume, { after, upTo }: KeyRange): boolean {
  const lowestKey = volume.startsEarlier ? volume.lowestKey : volume.startKey;
  // A manifest can say that it ends before it begins: what is wrong with it shows when it is read.
  const highestKey = volume.endKey < lowestKey ? lowestKey : volume.endKey;
  return (after === undefined || highestKey > after) && (upTo === undefined || lowestKey <= upTo);
}
