import { TundraError } from '../base/errors.js';
import { fetchOrder, type RestorePlan } from '../chain/restore-plan.js';
import { type ExpectedWait, expectedWait, readThawHistory } from '../chain/thaw-history.js';
import type { ThawState } from '../storage/backend.js';
import type { Session } from './session.js';

/** A volume that a restore needs, and how it stands. */
export interface PlannedObject {
  name: string;
  sizeBytes: number;
  /** `hot`: it can be read at any time. */
  state: ThawState | 'hot';
  /** Those of cold storage: its class, and the store for people. */
  storageClass: string | undefined;
  store: string | undefined;
  /** As the storage says, in milliseconds since the epoch. */
  readyAtMs: number | undefined;
  readyUntilMs: number | undefined;
}

/** What a restore needs from the storage. */
export interface ThawPlan {
  /** In the order in which the restore comes to them. */
  volumes: PlannedObject[];
  /** How long a thaw is likely to take, for each class of storage of which something is sealed. */
  waits: { storageClass: string; expected: ExpectedWait | undefined }[];
}

/** Looks how the volumes of a plan stand. Asks for nothing. Error: `backend-not-found`. */
export async function planThaw(session: Session, plan: RestorePlan): Promise<ThawPlan> {
  const { backend, archive } = session;
  const [stored, cold] = await Promise.all([backend.list(), backend.cold?.survey() ?? []]);
  const sizes = new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes]));
  const objects = new Map(cold.map((object) => [object.name, object]));
  const order = fetchOrder(plan).map(({ volume }) => volume.name);
  // A listing may be behind: what it does not show is asked for by name.
  const unlisted = order.filter((name) => !objects.has(name) && !sizes.has(name));
  for (const name of unlisted) {
    const found = await backend.stat(name);
    if (found === undefined) throw new TundraError('backend-not-found', `${name} is not on the storage`);
    sizes.set(name, found.sizeBytes);
  }
  const volumes = order.map((name): PlannedObject => {
    const object = objects.get(name);
    const sizeBytes = object?.sizeBytes ?? (sizes.get(name) as number);
    return {
      name,
      sizeBytes,
      state: object?.state ?? (backend.cold !== undefined && unlisted.includes(name) ? 'sealed' : 'hot'),
      storageClass: object?.storageClass,
      store: object?.store,
      readyAtMs: object?.readyAtMs,
      readyUntilMs: object?.readyUntilMs,
    };
  });
  const history = readThawHistory(archive);
  const classes = new Set(
    volumes.flatMap(({ state, storageClass }) => (state === 'sealed' ? (storageClass ?? []) : [])),
  );
  const waits = [...classes].map((storageClass) => ({
    storageClass,
    expected: expectedWait(history, storageClass),
  }));
  return { volumes, waits };
}
