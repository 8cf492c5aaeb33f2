import { createHash } from 'node:crypto';
import { TundraError } from '../../base/errors.js';
import type { Latin1 } from '../../base/path-key.js';
import type { PutSource } from '../backend.js';
import { type RetryOptions, waitForNextTry } from '../wrappers/retry.js';
import type { Call } from './account.js';
import type { Container } from './container.js';
import type { Action } from './failure.js';
import { headAt, headOf, type ObjectHead } from './object-head.js';
import { removePaths } from './removal.js';
import { segmentContainerOf, segmentPrefixOf } from './segment-names.js';
import { SourceCursor } from './source-cursor.js';

/** A large object to be stored. */
export interface LargeUpload {
  action: Action;
  /** The store, for people. */
  owner: string;
  container: Container;
  path: Latin1;
  source: PutSource;
  /** What is at the path now. */
  old: ObjectHead | undefined;
  segmentBytes: number;
  /** The MD5 of each segment. */
  sums: readonly string[];
  tries: RetryOptions;
  nowMs: number;
}

/**
 * Stores a static large object: its segments, then the manifest, which makes it appear. Gives the paths of the segments.
 */
export async function putLargeObject(upload: LargeUpload): Promise<Latin1[]> {
  const { action, container, path, source, segmentBytes, sums } = upload;
  const segmentContainer = segmentContainerOf(container);
  await container.ensureBeside(segmentContainer);
  const base = `${segmentPrefixOf(path)}${(upload.nowMs / 1000).toFixed(6)}/${source.sizeBytes}/${segmentBytes}/`;
  const segments = sums.map((etag, index) => ({
    path: `${base}${String(index).padStart(8, '0')}`,
    etag,
    from: index * segmentBytes,
    sizeBytes: Math.min(segmentBytes, source.sizeBytes - index * segmentBytes),
  }));
  const paths = segments.map((segment) => segment.path);
  const removeAll = () => removePaths(container, segmentContainer, paths).catch(() => {});
  try {
    await putSegments(upload, segmentContainer, segments);
  } catch (error) {
    await removeAll();
    throw error;
  }
  const manifest = segments.map((segment) => ({
    path: Buffer.from(`/${segmentContainer}/${segment.path}`, 'latin1').toString('utf8'),
    etag: segment.etag,
    size_bytes: segment.sizeBytes,
  }));
  const etag = createHash('md5').update(sums.join('')).digest('hex');
  const call: PutCall = {
    action,
    path: `${container.name}/${path}`,
    query: { 'multipart-manifest': 'put' },
    headers: { etag },
    body: () => JSON.stringify(manifest),
  };
  try {
    await put(container, call, ({ kind, etag: found, sizeBytes, timestamp }) => {
      const isSame = kind.kind === 'static' && found === etag && sizeBytes === source.sizeBytes;
      // An old object of the same bytes looks alike, and has other segments.
      return isSame && (upload.old?.etag !== etag || upload.old.timestamp !== timestamp);
    });
  } catch (error) {
    // Where the answer was lost the manifest may be there, and must not point at nothing.
    if (error instanceof TundraError && error.retry === 'never') await removeAll();
    throw error;
  }
  return paths;
}

interface Segment {
  path: Latin1;
  etag: string;
  from: number;
  sizeBytes: number;
}

/** Sends segments one after another; one that fails is sent again by itself. */
async function putSegments(
  upload: LargeUpload,
  container: Latin1,
  segments: readonly Segment[],
): Promise<void> {
  const { action, owner, source, tries } = upload;
  const cursor = new SourceCursor(source);
  try {
    for (const segment of segments) {
      for (let failures = 0; ; ) {
        try {
          // A storage that refuses a token may break the connection before that can be read: a small call tells.
          if (failures > 0) await headOf(upload.container, upload.path, action);
          await putStretch(upload.container, `${container}/${segment.path}`, cursor, segment, action);
          break;
        } catch (error) {
          if (cursor.failure) throw cursor.failure.error;
          failures++;
          const what = `${action}, segment ${segments.indexOf(segment) + 1} of ${segments.length}`;
          await waitForNextTry(owner, what, error, failures, tries).catch(hadItsTries);
        }
      }
    }
  } finally {
    await cursor.close();
  }
}

/** The same error, which says that trying again does not help: that was done already. */
function hadItsTries(error: unknown): never {
  if (!(error instanceof TundraError)) throw error;
  const { code, message, advice, retryAfterMs } = error;
  throw new TundraError(code, message, { advice, retryAfterMs, cause: error });
}

/** Stores a stretch of a source as an object at a path that begins with its container. */
export function putStretch(
  container: Container,
  path: Latin1,
  cursor: SourceCursor,
  { etag, from, sizeBytes }: Omit<Segment, 'path'>,
  action: Action,
): Promise<void> {
  const call: PutCall = {
    action,
    path,
    headers: { etag, 'content-length': String(sizeBytes), 'content-type': 'application/octet-stream' },
    body: () => (sizeBytes === 0 ? '' : cursor.read(from, sizeBytes)),
  };
  return put(
    container,
    call,
    (found) => found.kind.kind === 'plain' && found.etag === etag && found.sizeBytes === sizeBytes,
  );
}

type PutCall = Pick<Call, 'action' | 'path' | 'query' | 'body'> & {
  headers: Record<string, string> & { etag: string };
};

/** Stores an object. Where that fails, and what is there is what was sent all the same, only the answer was lost. */
async function put(
  container: Container,
  call: PutCall,
  isStored: (found: ObjectHead) => boolean,
): Promise<void> {
  const { action, path, headers } = call;
  try {
    const answer = await container.call({ ...call, method: 'PUT' });
    await answer.drop();
    checkSum(action, headers.etag, answer.headers.etag);
  } catch (error) {
    if (!(error instanceof TundraError) || error.retry === 'never') throw error;
    const found = await headAt(container, path, action).catch(() => undefined);
    if (found === undefined || !isStored(found)) throw error;
  }
}

function checkSum(action: Action, expected: string, etag: string | undefined): void {
  const actual = etag?.replaceAll('"', '');
  if (actual === undefined || actual === expected) return;
  const text = `could not ${action}: the bytes arrived altered: their MD5 is ${actual} instead of ${expected}`;
  throw new TundraError('backend', text, { retry: 'now' });
}
