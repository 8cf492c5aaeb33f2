import type { ColdObject } from '../storage/backend.js';
import { progressOf } from '../volume/thaw.js';
import { beginThaw } from './cold-volumes.js';
import { type PlanOptions, planAt } from './plan-at.js';
import type { Session } from './session.js';
import { type PlannedObject, planThaw, type ThawPlan } from './thaw-plan.js';

/** What a restore would need, and how that stands. Asks for nothing. */
export async function planOfRestore(
  session: Session,
  options: Omit<PlanOptions, 'ignoreErrors' | 'sealedMetadata'>,
): Promise<ThawPlan> {
  return planThaw(
    session,
    await planAt(session, { ...options, ignoreErrors: false, sealedMetadata: 'leave' }),
  );
}

/** Asks for what a restore needs and nobody has asked for yet; with `wait`, until all of it can be read. */
export async function thaw(
  session: Session,
  options: Pick<PlanOptions, 'path' | 'time'> & { wait: boolean },
): Promise<ThawPlan> {
  const plan = await planAt(session, {
    ...options,
    ignoreErrors: false,
    dryRun: false,
    sealedMetadata: options.wait ? 'wait' : 'ask',
  });
  const before = await planThaw(session, plan);
  const names = before.volumes.filter(({ state }) => state !== 'hot').map(({ name }) => name);
  if (names.length === 0) return before;
  const thawing = await beginThaw(session, names);
  try {
    // A long wait may follow, in which backups go on.
    if (options.wait) await session.releaseArchive();
    if (options.wait && progressOf(thawing.objects).states.ready.objects < thawing.objects.length) {
      await thawing.allReady();
      // In a long wait, what was ready first may have been sealed again.
      return await planThaw(session, plan);
    }
    const objects = new Map(thawing.objects.map((object) => [object.name, object]));
    return { ...before, volumes: before.volumes.map((volume) => updated(volume, objects)) };
  } finally {
    await thawing.stop();
  }
}

/** A volume of a plan, as it stands now. */
function updated(volume: PlannedObject, objects: ReadonlyMap<string, ColdObject>): PlannedObject {
  const object = objects.get(volume.name);
  if (object === undefined) return volume;
  const { state, readyAtMs, readyUntilMs } = object;
  return { ...volume, state, readyAtMs, readyUntilMs };
}
