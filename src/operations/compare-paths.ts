import { messageOf, TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { writeContents } from '../change/contents.js';
import {
  attributesDifference,
  contentsDiffer,
  FileComparison,
  missingFile,
  newFile,
  recordsDifference,
} from '../change/difference.js';
import type { SourceEntry } from '../source/entry.js';
import { createSelection } from '../source/selection.js';
import { walk } from '../source/walk.js';
import { comparingReader } from './comparing-reader.js';
import type { CompareAction } from './restore-messages.js';
import { newestEntry, type Paths, type ShareWork, type Versions } from './share-work.js';
import { selectionRoot, walkEvent } from './source-events.js';

/** Compares everything with a tree. */
export async function comparePaths(work: ShareWork, paths: Paths, action: CompareAction): Promise<void> {
  const { root, rules, followLinks } = action;
  const records = comparingReader(action, work.owners, (key, text) => work.warn(key, text));
  const { after, upTo } = work.input.range;
  const current = walk(root, createSelection(rules, selectionRoot(root)), {
    range: {
      after: after === undefined ? undefined : work.relative(after),
      upTo: upTo === undefined ? undefined : work.relative(upTo),
    },
    followLinks,
    owners: work.owners,
    onWarning: (kind, key, text) => work.events.add(walkEvent(kind, root, key, text)),
  });
  const differs = (text: string): void => {
    work.result.failures++;
    work.events.add({ kind: 'message', level: 'notice', text });
  };
  let local = nextEntry(current);
  for (;;) {
    const next = paths.next();
    const versions = next instanceof Promise ? await next : next;
    if (versions === undefined) break;
    const { key: fullKey, header } = newestEntry(versions);
    const key = work.relative(fullKey);
    for (; local !== undefined && local.key < key; local = nextEntry(current)) {
      work.result.entries++;
      differs(newFile(local.key));
    }
    work.result.entries++;
    if (local?.key !== key) {
      differs(missingFile(key));
      continue;
    }
    const difference =
      attributesDifference(key, header, local.attributes, work.owners) ??
      recordsDifference(
        key,
        records.ofThese(header.records),
        () => records.read(local as SourceEntry),
        work.owners,
      );
    if (difference !== undefined) differs(difference);
    else if (header.type === 'file') {
      const same = sameContents(work, local, versions, fullKey);
      if (!(same instanceof Promise ? await same : same)) differs(contentsDiffer(key));
    }
    local = nextEntry(current);
  }
  for (; local !== undefined; local = nextEntry(current)) {
    work.result.entries++;
    differs(newFile(local.key));
  }
}

/** Whether the local file holds what the backup does. An unreadable one counts as different. */
function sameContents(
  work: ShareWork,
  local: SourceEntry,
  versions: Versions,
  key: PathKey,
): boolean | Promise<boolean> {
  const unreadable = (error: unknown): false => {
    if (error instanceof TundraError && error.code !== 'format') throw error;
    work.warn(key, messageOf(error));
    return false;
  };
  let open: FileComparison | undefined;
  try {
    const comparison = new FileComparison(local.path);
    open = comparison;
    const writing = writeContents(versions, work.scratchPath, (bytes) => {
      work.result.contentBytes += bytes.length;
      comparison.write(bytes);
    });
    if (writing === undefined) return comparison.finish();
    open = undefined;
    return writing
      .then(() => comparison.finish())
      .finally(() => comparison.close())
      .catch(unreadable);
  } catch (error) {
    return unreadable(error);
  } finally {
    open?.close();
  }
}

function nextEntry(entries: Generator<SourceEntry>): SourceEntry | undefined {
  const result = entries.next();
  return result.done ? undefined : result.value;
}
