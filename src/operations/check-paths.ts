import { writeContents } from '../change/contents.js';
import { newestEntry, type Paths, type ShareWork } from './share-work.js';

/** Reads everything through: that it can be opened, unpacked and put together. */
export async function checkPaths(work: ShareWork, paths: Paths): Promise<void> {
  for (;;) {
    const next = paths.next();
    const versions = next instanceof Promise ? await next : next;
    if (versions === undefined) break;
    const { key, header } = newestEntry(versions);
    work.result.entries++;
    if (header.type !== 'file') continue;
    try {
      const writing = writeContents(versions, work.scratchPath, (bytes) => {
        work.result.contentBytes += bytes.length;
      });
      if (writing !== undefined) await writing;
    } catch (error) {
      work.failOrThrow(key, error);
    }
  }
}
