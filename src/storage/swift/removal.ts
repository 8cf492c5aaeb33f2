import { TundraError } from '../../base/errors.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import type { Container } from './container.js';
import { type Action, nonsense } from './failure.js';
import type { HttpAnswer } from './http.js';
import { listObjects } from './listing.js';
import { headOf, type ObjectKind } from './object-head.js';
import { segmentContainerOf, segmentPrefixOf } from './segment-names.js';
import { sideBySide } from './side-by-side.js';

/** What Swift tells of a deletion: a line for each segment that it could not remove. */
const reportLimitBytes = 8 << 20;

/**
 * Removes an object with its segments; one that is not there is no error. With `isArchive` the server is not asked to
 * read a manifest, which may be sealed.
 */
export async function removeObject(
  container: Container,
  path: Latin1,
  isArchive: boolean,
  action: Action,
): Promise<void> {
  const found = await headOf(container, path, action);
  if (found === undefined) return;
  const isByServer = found.kind.kind === 'static' && !isArchive;
  const answer = await container.call({
    action,
    method: 'DELETE',
    path: `${container.name}/${path}`,
    accept: [404],
    ...(isByServer && { query: { 'multipart-manifest': 'delete' }, headers: { accept: 'application/json' } }),
  });
  if (isByServer && answer.status === 200) return checkReport(answer, action);
  await answer.drop();
  await removeSegments(container, path, found.kind, [], action);
}

/** Removes the segments of an object that is no more, but those that are `kept`. */
export async function removeSegments(
  container: Container,
  path: Latin1,
  kind: ObjectKind,
  kept: readonly Latin1[],
  action: Action,
): Promise<void> {
  if (kind.kind === 'plain') return;
  const place =
    kind.kind === 'static'
      ? { container: segmentContainerOf(container), prefix: segmentPrefixOf(path) }
      : // Without the slash `vol1` would take the segments of `vol10` with it.
        { container: kind.container, prefix: `${kind.prefix.replace(/\/+$/, '')}/` };
  const paths: Latin1[] = [];
  for await (const segment of listObjects(container, { action, ...place, isFlat: false }))
    paths.push(segment.path);
  const keep = new Set(kept);
  await removePaths(
    container,
    place.container,
    paths.filter((segment) => !keep.has(segment)),
  );
}

/** Removes objects of a container, a few at the same time; those that are not there are no error. */
export async function removePaths(
  container: Container,
  name: Latin1,
  paths: readonly Latin1[],
): Promise<void> {
  await sideBySide(paths, async (path) => {
    const action = `remove ${displayBytes(path)}`;
    const answer = await container.call({ action, method: 'DELETE', path: `${name}/${path}`, accept: [404] });
    await answer.drop();
  });
}

/** Swift answers 200 before it knows how a deletion ends: the end stands in the body. */
async function checkReport(answer: HttpAnswer, action: Action): Promise<void> {
  const report = await answer.json(reportLimitBytes);
  if (typeof report !== 'object' || report === null) throw nonsense(action, 'it is no object');
  const status = 'Response Status' in report ? report['Response Status'] : '200 OK';
  if (typeof status !== 'string') throw nonsense(action, 'its status is no text');
  if (status.startsWith('200') || status.startsWith('404')) return;
  throw new TundraError('backend', `could not ${action}: some segments could not be removed: ${status}`, {
    retry: 'later',
  });
}
