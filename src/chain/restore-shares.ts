import { isWithin, type KeyRange, type PathKey } from '../base/path-key.js';
import type { AccessPoint } from './access-points.js';
import type { PlannedVolume, RestorePlan } from './restore-plan.js';

/** A part of a restore that can be done beside the others. */
export interface RestoreShare {
  range: KeyRange;
  /** The volumes that may hold something of the range, as in the plan. */
  sets: PlannedVolume[][];
}

/** What lies between two access points is a unit. A few are not worth a thread of their own. */
const fewestUnits = 4;
/** So many a volume counts for of which no access point is known, nor of those beside it. */
const unitsOfUnknown = 2 * fewestUnits;

/**
 * Divides a plan by path into shares of about the same size, in order. A bound is where a volume of the set with the most
 * of them ends, or can be read from the middle on, so that little is read for more than one share.
 */
export function shareOut(plan: RestorePlan, most: number): RestoreShare[] {
  const bounds = boundsOf(plan, most);
  return [...bounds, undefined].map((upTo, index) => {
    const range = { after: bounds[index - 1], upTo };
    return { range, sets: plan.sets.map((volumes) => volumes.filter((volume) => mayHold(volume, range))) };
  });
}

/** A place where a share may end, and how much lies before it. */
interface Candidate {
  endKey: PathKey;
  units: number;
}

/** The last paths of all shares but the last one. */
function boundsOf({ sets, wanted }: RestorePlan, most: number): PathKey[] {
  const measured = sets.map((volumes) => candidatesIn(volumes, wanted));
  const largest = measured.reduce((a, b) => (b.units > a.units ? b : a), { candidates: [], units: 0 });
  const { candidates, units } = largest;
  const count = Math.min(most, Math.floor(units / fewestUnits));
  const bounds: PathKey[] = [];
  for (let share = 1; share < count; share++) {
    const target = (units * share) / count;
    const distance = (one: Candidate) => Math.abs(one.units - target);
    const bound = candidates.reduce<Candidate | undefined>(
      (best, one) => (best === undefined || distance(one) < distance(best) ? one : best),
      undefined,
    )?.endKey;
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

/** Where shares may end in the volumes of a set, in order, and how much there is in all of them. */
function candidatesIn(
  volumes: readonly PlannedVolume[],
  wanted: PathKey,
): { candidates: Candidate[]; units: number } {
  const points = volumes.map(({ accessPoints = [] }) =>
    accessPoints.filter(({ after }) => isWithin(after, wanted)),
  );
  const usual = Math.max(...points.map((some) => some.length + 1), unitsOfUnknown);
  const candidates: Candidate[] = [];
  let units = 0;
  for (const [index, { endKey }] of volumes.entries()) {
    const inside = points[index] as AccessPoint[];
    const isLast = index === volumes.length - 1;
    for (const [i, { after }] of inside.entries()) candidates.push({ endKey: after, units: units + i + 1 });
    // On average the last volume is half full.
    if (inside.length > 0) units += inside.length + 1;
    else units += isLast ? usual / 2 : usual;
    if (!isLast) candidates.push({ endKey, units });
  }
  return { candidates, units };
}

function mayHold(volume: PlannedVolume, { after, upTo }: KeyRange): boolean {
  const lowestKey = volume.startsEarlier ? volume.lowestKey : volume.startKey;
  // A manifest can say that it ends before it begins: what is wrong with it shows when it is read.
  const highestKey = volume.endKey < lowestKey ? lowestKey : volume.endKey;
  return (after === undefined || highestKey > after) && (upTo === undefined || lowestKey <= upTo);
}
