import type { Latin1 } from '../../base/path-key.js';
import type { Container } from './container.js';
import { type Action, nonsense } from './failure.js';
import { plausibleDelay } from './object-head.js';

/** One object in a listing. */
export interface ListedObject {
  /** As it is in the container. */
  path: Latin1;
  sizeBytes: number;
  /** `sealed`, `unsealing` or `unsealed`, where the storage is an archive and was asked for that. */
  retrievalState: string | undefined;
  retrievalDelaySeconds: number | undefined;
}

export interface ListOptions {
  action: Action;
  /** The container, if it is not the main one. */
  container?: Latin1 | undefined;
  /** What the paths begin with. */
  prefix: Latin1;
  /** Leaves out what has another slash behind the prefix. */
  isFlat: boolean;
  /** Asks also how objects of an archive stand. */
  withRetrieval?: boolean | undefined;
  /** How many entries to ask for at a time; undefined for what the storage gives by itself. */
  pageSize?: number | undefined;
}

/** A page has 10,000 entries of some hundred bytes each, and of no more than a few thousand. */
export const pageLimitBytes = 16 << 20;

/** Objects of a container, page by page. A container that is not there has none. */
export async function* listObjects(container: Container, options: ListOptions): AsyncGenerator<ListedObject> {
  const { action, prefix, pageSize } = options;
  for (let marker = ''; ; ) {
    const answer = await container.call({
      action,
      method: 'GET',
      path: options.container ?? container.name,
      query: {
        format: 'json',
        ...(prefix !== '' && { prefix }),
        ...(options.isFlat && { delimiter: '/' }),
        ...(options.withRetrieval && { policy_extra: 'true' }),
        ...(pageSize !== undefined && { limit: String(pageSize) }),
        ...(marker !== '' && { marker }),
      },
      accept: [404],
    });
    if (answer.status === 404 || answer.status === 204) {
      await answer.drop();
      return;
    }
    if (options.container === undefined) container.checkPolicy(answer.headers);
    const page = await answer.json(pageLimitBytes);
    if (!Array.isArray(page)) throw nonsense(action, 'it is no list');
    // How many entries a page may have is the storage's secret: only an empty one is surely the last.
    if (page.length === 0) return;
    for (const entry of page) {
      const object = objectOf(entry, action);
      if (object?.path.startsWith(prefix)) yield object;
    }
    const last = pathOf(page.at(-1), action);
    // Pages that do not get on would never end.
    if (last <= marker) throw nonsense(action, 'its pages repeat themselves');
    marker = last;
  }
}

/** The path of an entry, also of one that stands for a folder. */
function pathOf(entry: Partial<Record<string, unknown>> | null, action: Action): Latin1 {
  const path = entry?.name ?? entry?.subdir;
  if (typeof path !== 'string') throw nonsense(action, 'an entry has no name');
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** The object in an entry; undefined for a folder. */
function objectOf(entry: Partial<Record<string, unknown>> | null, action: Action): ListedObject | undefined {
  const path = pathOf(entry, action);
  if (entry?.name === undefined) return undefined;
  const { bytes, policy_retrieval_state: state, policy_retrieval_delay: delay } = entry;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw nonsense(action, 'an entry has no size');
  return {
    path,
    sizeBytes: bytes,
    retrievalState: typeof state === 'string' ? state : undefined,
    retrievalDelaySeconds: typeof delay === 'number' ? plausibleDelay(delay) : undefined,
  };
}
