import type { Latin1 } from '../../base/path-key.js';
import type { Container } from './container.js';
import { type Action, type Headers, nonsense } from './failure.js';
import { percentDecode } from './percent.js';

/** What the headers of an object say about it. */
export interface ObjectHead {
  /** Of a large object, the size of all its segments together. */
  sizeBytes: number;
  /** The MD5 of a plain object; of a large one that of its segments' MD5s. */
  etag: string | undefined;
  /** When it was stored, as the storage writes it; no two objects that follow one another at a path have the same. */
  timestamp: string | undefined;
  kind: ObjectKind;
  retrievalState: string | undefined;
  retrievalDelaySeconds: number | undefined;
}

/**
 * A plain object; a static large object, whose manifest names its segments; or a dynamic one, whose segments are all
 * objects of a container that begin with a prefix.
 */
export type ObjectKind =
  | { kind: 'plain' }
  | { kind: 'static' }
  | { kind: 'dynamic'; container: Latin1; prefix: Latin1 };

/** Asks for an object's headers; undefined if it is not there. This never makes an archive unseal it. */
export function headOf(container: Container, path: Latin1, action: Action): Promise<ObjectHead | undefined> {
  return headAt(container, `${container.name}/${path}`, action);
}

/** The same for an object at a path that begins with its container. */
export async function headAt(
  container: Container,
  path: Latin1,
  action: Action,
): Promise<ObjectHead | undefined> {
  const answer = await container.call({ action, method: 'HEAD', path, accept: [404] });
  await answer.drop();
  if (answer.status === 404) return undefined;
  const { headers } = answer;
  const sizeBytes = contentLengthOf(headers);
  if (sizeBytes === undefined) throw nonsense(action, 'it tells no size');
  const delay = headers['x-ovh-retrieval-delay'];
  return {
    sizeBytes,
    etag: headers.etag?.replaceAll('"', ''),
    timestamp: headers['x-timestamp'],
    kind: kindOf(headers),
    retrievalState: headers['x-ovh-retrieval-state'],
    retrievalDelaySeconds:
      delay !== undefined && /^\d+$/.test(delay) ? plausibleDelay(Number(delay)) : undefined,
  };
}

/** Thirty years: a moment further away is a mistake, and may be none that a Date can hold. */
const longestDelaySeconds = 1e9;

/** A number of seconds, if it is one that a storage may say it takes to unseal an object. */
export function plausibleDelay(seconds: number): number | undefined {
  return seconds >= 0 && seconds <= longestDelaySeconds ? seconds : undefined;
}

export function kindOf(headers: Headers): ObjectKind {
  if (/^(true|1|yes|on|t|y)$/i.test(headers['x-static-large-object'] ?? '')) return { kind: 'static' };
  const [, container, prefix] =
    /^\/?([^/]+)\/(.+)$/.exec(percentDecode(headers['x-object-manifest'] ?? '')) ?? [];
  if (container === undefined || prefix === undefined) return { kind: 'plain' };
  return { kind: 'dynamic', container, prefix };
}

export function contentLengthOf(headers: Headers): number | undefined {
  const text = headers['content-length'];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
