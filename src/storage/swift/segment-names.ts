import { TundraError } from '../../base/errors.js';
import type { Latin1 } from '../../base/path-key.js';
import type { Container } from './container.js';

/** The largest object that Swift stores in one. */
const largestObjectBytes = 5 * 2 ** 30;
/** The most segments that a manifest may name. */
const mostSegments = 1000;

/**
 * How large the segments of an object are; undefined if it is stored in one. `segmentSizeBytes` is what is asked for, 0
 * for segments only where they must be.
 */
export function segmentSizeFor(sizeBytes: number, segmentSizeBytes: number): number | undefined {
  const wanted = segmentSizeBytes > 0 ? Math.min(segmentSizeBytes, largestObjectBytes) : largestObjectBytes;
  if (sizeBytes <= wanted) return undefined;
  const needed = Math.max(wanted, Math.ceil(sizeBytes / mostSegments));
  if (needed <= largestObjectBytes) return needed;
  throw new TundraError('backend-no-space', `an object of ${sizeBytes} bytes is too large for Swift`);
}

/** Where the segments of a container's objects lie, as python-swiftclient has it. */
export function segmentContainerOf(container: Container): Latin1 {
  return `${container.name}_segments`;
}

/** What the names of an object's segments begin with, as python-swiftclient has it for static large objects. */
export function segmentPrefixOf(path: Latin1): Latin1 {
  return `${path}/slo/`;
}
