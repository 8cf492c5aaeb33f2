import { displayKey, type PathKey } from '../base/path-key.js';
import { xattrCalls } from '../base/xattrs.js';
import { contentsAtHand, writeContents } from '../change/contents.js';
import type { TarHeader } from '../format/tar/header.js';
import { LinkGroups, linkedEntries } from '../target/link-groups.js';
import { RecordWriter } from '../target/record-writer.js';
import { mayMeet, renamedKey, reopenedDirectories } from '../target/renames.js';
import { type FileWriter, TreeWriter } from '../target/tree-writer.js';
import type { RestoreAction } from './restore-messages.js';
import { newestEntry, type Paths, type ShareWork, type Versions } from './share-work.js';

/** More of what is left out is told only in detail. */
const mostLeftOutKinds = 20;

/** Writes everything into a tree. */
export async function restorePaths(work: ShareWork, paths: Paths, action: RestoreAction): Promise<void> {
  const { share, sharedDirectories, linkFiles, tellFiles } = work.input;
  const { renames } = action;
  const links = action.recordKinds.hardLinks ? new LinkGroups(linkFiles[share] as string) : undefined;
  const isRenaming = renames.size > 0;
  const writer = new TreeWriter(action.target, {
    shared: isRenaming
      ? reopenedDirectories(renames)
      : new Set([...sharedDirectories].map((key) => work.relative(key))),
    mayMeet: (key) => isRenaming && mayMeet(renames, key),
    ...(isRenaming ? { modeOfMissing: 0o777 & ~process.umask() } : {}),
    beforeReplacing: () => work.progress.waitForLater(share),
    owners: action.restoreOwnership ? work.owners : undefined,
    numericOwner: action.numericOwner,
    records: recordWriter(work, action),
    links,
    onWarning: (key, text) => work.warn(key, text),
    onSetIdLeftOut: (key) => {
      work.result.withoutSetId++;
      const text = `${displayKey(key)}: set-user-ID and set-group-ID left out, as the owner is not restored`;
      work.events.add({ kind: 'message', level: 'info', text });
    },
  });
  for (;;) {
    const next = paths.next();
    const versions = next instanceof Promise ? await next : next;
    if (versions === undefined) break;
    const { key, header } = newestEntry(versions);
    try {
      const place = renamedKey(renames, work.relative(key));
      const applying = apply(work, writer, place, header, versions);
      if (applying !== undefined) await applying;
      work.result.entries++;
      const below = work.relative(key);
      if (tellFiles && below !== '') work.events.add({ kind: 'restored', key: below, type: header.type });
    } catch (error) {
      work.failOrThrow(key, error);
    }
  }
  writer.finish();
  links?.flush();
  // What is shared lies in this share or in those before it: only later ones may still work there.
  work.progress.waitForLater(share);
  if (share === 0) for (const file of linkFiles.slice(1)) writer.linkAcross(linkedEntries(file));
  links?.close();
  writer.finishShared();
  work.progress.finish(share);
}

function recordWriter(work: ShareWork, { recordKinds, numericOwner }: RestoreAction): RecordWriter {
  const leftOut = new Map<string, number>();
  work.result.leftOut = leftOut;
  return new RecordWriter({
    ...recordKinds,
    calls: xattrCalls(),
    ids: numericOwner ? undefined : work.owners,
    onLeftOut: (key, what, why) => {
      const kind = `${what} (${why})`;
      if (leftOut.size < mostLeftOutKinds || leftOut.has(kind))
        leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1);
      const text = `${displayKey(key)}: restored without ${kind}`;
      work.events.add({ kind: 'message', level: 'info', text });
    },
  });
}

/** Returns a promise where it must be waited for. */
function apply(
  work: ShareWork,
  writer: TreeWriter,
  key: PathKey,
  header: TarHeader,
  versions: Versions,
): Promise<void> | undefined {
  if (header.type === 'directory') writer.directory(key, header);
  else if (header.type !== 'file') writer.special(key, header);
  else {
    const whole = contentsAtHand(versions);
    return applyFile(work, writer.file(key, header, whole !== undefined), whole, versions);
  }
  return undefined;
}

function applyFile(
  work: ShareWork,
  file: FileWriter,
  whole: Uint8Array | undefined,
  versions: Versions,
): Promise<void> | undefined {
  const abort = (error: unknown): never => {
    file.abort();
    throw error;
  };
  const write = (bytes: Uint8Array) => {
    work.result.contentBytes += bytes.length;
    file.write(bytes);
  };
  try {
    const writing = whole === undefined ? writeContents(versions, work.scratchPath, write) : write(whole);
    if (writing !== undefined) return writing.then(() => file.commit()).catch(abort);
    file.commit();
  } catch (error) {
    abort(error);
  }
  return undefined;
}
