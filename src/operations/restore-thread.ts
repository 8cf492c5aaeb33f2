/**
 * The target side of a restore or a verification, run in a thread of its own: merge and apply. The main thread fetches,
 * opens and unpacks the volumes; here they are merged over all sets, and files are made with synchronous calls.
 */
import { join } from 'node:path';
import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { ByteStream } from '../base/bytes.js';
import { errnoOf, messageOf, type PlainError, plainError, TundraError } from '../base/errors.js';
import type { OperationEvent } from '../base/events.js';
import { displayKey, isWithin, type KeyRange, type Latin1, type PathKey } from '../base/path-key.js';
import { xattrCalls } from '../base/xattrs.js';
import { openRestoreMap } from '../chain/restore-map.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import { contentsAtHand, writeContents } from '../change/contents.js';
import {
  attributesDifference,
  contentsDiffer,
  FileComparison,
  missingFile,
  newFile,
  recordsDifference,
} from '../change/difference.js';
import { Merge } from '../change/merge.js';
import type { TarHeader } from '../format/tar/header.js';
import type { RecordKinds } from '../format/tar/records.js';
import { type ReadableFile, unpackedHere } from '../seal/unpacked-here.js';
import type { SourceEntry } from '../source/entry.js';
import { Owners } from '../source/owners.js';
import { createSelection, type SelectionRule } from '../source/selection.js';
import { walk } from '../source/walk.js';
import { LinkGroups, linkedEntries } from '../target/link-groups.js';
import { RecordWriter } from '../target/record-writer.js';
import { mayMeet, type Renames, renamedKey, reopenedDirectories } from '../target/renames.js';
import { type FileWriter, TreeWriter } from '../target/tree-writer.js';
import { type Channel, receive } from '../volume/channel.js';
import { type OpenedVolume, type SetEntry, SetReader } from '../volume/set-reader.js';
import { comparingReader } from './comparing-reader.js';
import { EventBatch } from './event-batch.js';
import { ShareProgress } from './share-progress.js';
import { cannotProcess, selectionRoot, walkEvent } from './source-events.js';
import { VolumeDesk } from './volume-desk.js';

/** Writes a tree. */
export interface RestoreAction {
  kind: 'restore';
  target: Latin1;
  renames: Renames;
  restoreOwnership: boolean;
  numericOwner: boolean;
  recordKinds: RecordKinds;
}

/** Compares with a tree. */
export interface CompareAction {
  kind: 'compare';
  root: Latin1;
  rules: readonly SelectionRule[];
  followLinks: boolean;
  recordKinds: RecordKinds;
}

/** What the thread is started with. */
export interface RestoreThreadInput {
  /** Which share of the work this is: a number, counting up by path. */
  share: number;
  /** The paths of the share. */
  range: KeyRange;
  /** The sets of the chain, oldest first, with the volumes that may hold what is wanted of the range. */
  sets: readonly (readonly PlannedVolume[])[];
  /** Directories that more than one share may write in. */
  sharedDirectories: ReadonlySet<PathKey>;
  /** The memory of the `ShareProgress` of all shares. */
  progress: SharedArrayBuffer;
  /** The index of what there is to restore, if volumes that hold nothing of it are missing in `sets`. */
  map: string | undefined;
  /** For each share, where it notes names of one file. */
  linkFiles: readonly string[];
  /** Only this path and what lies below it. */
  wanted: PathKey;
  tempDir: string;
  tellFiles: boolean;
  /** Leave out what is damaged of a volume, and go on. */
  ignoreErrors: boolean;
  action: RestoreAction | { kind: 'check' } | CompareAction;
}

/** Which share reads which volume of which set. */
export interface VolumePlace {
  share: number;
  set: number;
  volume: number;
}

export type RestoreThreadMessage =
  | { kind: 'need'; place: VolumePlace }
  /** The sender of a volume waits for a slot, and one is free. */
  | { kind: 'free'; place: VolumePlace }
  | { kind: 'release'; place: VolumePlace }
  | { kind: 'events'; events: OperationEvent[] }
  | { kind: 'done'; result: ShareResult }
  | { kind: 'failed'; error: PlainError };

export interface RestoreThreadResult {
  /** Entries restored or compared. */
  entries: number;
  /** Bytes of file contents. */
  contentBytes: number;
  /** Entries that could not be restored, or that differ. */
  failures: number;
  /** Entries restored without set-user-ID and set-group-ID. */
  withoutSetId: number;
  /** How many attributes and ACLs were not restored, by what and why. */
  leftOut: ReadonlyMap<string, number>;
}

/** What a thread has done of its share. */
export interface ShareResult extends RestoreThreadResult {
  /** The lowest path that there is, if there is one. */
  firstKey: PathKey | undefined;
  /** The last path that is no folder, unless a folder came behind it: nothing should lie below it. */
  noFolder: PathKey | undefined;
}

/** The answer to `need`. */
export type VolumeAnswer = VolumePlace & (VolumeBytes | { isLeftOut: true } | { error: PlainError });

/** Where the bytes of a volume come: from the main thread, or from the file. */
export type VolumeBytes = { channel: Channel } | { file: ReadableFile };

const cutShort =
  'its end is missing: the run that backed it up was broken off, and taken up again when the file had changed or was gone';
/** Errors of the target that every further file would meet too. */
const fatalErrnos = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']);

/** More of what is left out is told only in detail. */
const mostLeftOutKinds = 20;

type Versions = SetReader<PlannedVolume>[];
type NextPath = Versions | undefined | Promise<Versions | undefined>;

/** Paths one after the other; undefined at the end. Nothing is waited for where the next one is at hand. */
interface Paths {
  next(): NextPath;
}

class RestoreThread {
  readonly #input: RestoreThreadInput;
  readonly #send: (message: RestoreThreadMessage) => void;
  readonly #volumes: VolumeDesk;
  readonly #owners = new Owners();
  readonly #progress: ShareProgress;
  readonly #result: ShareResult = {
    entries: 0,
    contentBytes: 0,
    failures: 0,
    withoutSetId: 0,
    leftOut: new Map(),
    firstKey: undefined,
    noFolder: undefined,
  };
  readonly #events: EventBatch;
  #scratchFiles = 0;

  constructor(input: RestoreThreadInput, volumes: VolumeDesk, send: (message: RestoreThreadMessage) => void) {
    this.#input = input;
    this.#volumes = volumes;
    this.#send = send;
    this.#progress = new ShareProgress(input.progress);
    this.#events = new EventBatch((events) => send({ kind: 'events', events }));
  }

  async run(): Promise<void> {
    const { share, sets, range, map, wanted, ignoreErrors, action } = this.#input;
    const readers = sets.map(
      (volumes, set) =>
        new SetReader(set, volumes, wanted, {
          range,
          open: ({ number: volume }) => this.#openVolume({ share, set, volume }),
          onDamage: ignoreErrors ? (error) => this.#leaveOutRest(error) : undefined,
          onCutShort: (key) => this.#warn(key, cutShort),
          skipsVolumes: map !== undefined,
        }),
    );
    const merge = new Merge(readers);
    const mapped = map === undefined ? undefined : this.#mapped(merge, map);
    const paths = this.#possible(mapped === undefined ? merge : pathsOf(mapped), readers);
    try {
      if (action.kind === 'restore') await this.#restore(paths, action);
      else if (action.kind === 'check') await this.#check(paths);
      else await this.#compare(paths, action);
    } finally {
      this.#events.flush();
      await mapped?.return(undefined);
      await Promise.all(readers.map((reader) => reader.close()));
    }
    this.#send({ kind: 'done', result: this.#result });
  }

  /** The paths that the map has: what else the volumes hold is gone, which they need not tell. */
  async *#mapped(paths: AsyncIterable<Versions>, map: string): AsyncGenerator<Versions> {
    const index = openRestoreMap(map);
    const missing = (key: PathKey) => {
      this.#result.failures++;
      this.#warn(key, 'the backup should have it, and no volume does');
    };
    try {
      let wanted = index.next();
      for await (const versions of paths) {
        const newest = versions.at(-1);
        const key = newest?.key as PathKey;
        for (; wanted !== undefined && wanted.key < key; wanted = index.next()) missing(wanted.key);
        if (wanted?.key !== key) continue;
        if (wanted.file === newest?.age) yield versions;
        else missing(key);
        wanted = index.next();
      }
      for (; wanted !== undefined; wanted = index.next()) missing(wanted.key);
    } finally {
      index.close();
    }
  }

  /** The paths that can be in a tree; of others it is told and counted that they cannot. */
  #possible(paths: Paths, readers: Versions): Paths {
    const next = (): NextPath => {
      for (;;) {
        const versions = paths.next();
        if (versions instanceof Promise) return versions.then(goOn);
        if (versions === undefined || this.#isPossible(versions, readers)) return versions;
      }
    };
    const goOn = (versions: Versions | undefined): NextPath =>
      versions === undefined || this.#isPossible(versions, readers) ? versions : next();
    return { next };
  }

  #isPossible(versions: Versions, readers: Versions): boolean {
    const result = this.#result;
    const { key, header } = newestEntry(versions);
    result.firstKey ??= key;
    const isBelow = result.noFolder !== undefined && isWithin(key, result.noFolder);
    if (!isBelow) result.noFolder = header.type === 'directory' ? undefined : key;
    const problem = isBelow
      ? `it lies below ${displayKey(result.noFolder as PathKey)}, which is no folder in the backup`
      : hasGap(versions, readers)
        ? 'it may build on a version in a volume that is left out; restore a time before that with --time'
        : undefined;
    if (problem === undefined) return true;
    result.failures++;
    this.#warn(key, problem);
    return false;
  }

  async #restore(paths: Paths, action: RestoreAction): Promise<void> {
    const { share, sharedDirectories, linkFiles, tellFiles } = this.#input;
    const { renames } = action;
    const links = action.recordKinds.hardLinks ? new LinkGroups(linkFiles[share] as string) : undefined;
    const isRenaming = renames.size > 0;
    const writer = new TreeWriter(action.target, {
      shared: isRenaming
        ? reopenedDirectories(renames)
        : new Set([...sharedDirectories].map((key) => this.#relative(key))),
      mayMeet: (key) => isRenaming && mayMeet(renames, key),
      ...(isRenaming ? { modeOfMissing: 0o777 & ~process.umask() } : {}),
      beforeReplacing: () => this.#progress.waitForLater(share),
      owners: action.restoreOwnership ? this.#owners : undefined,
      numericOwner: action.numericOwner,
      records: this.#recordWriter(action),
      links,
      onWarning: (key, text) => this.#warn(key, text),
      onSetIdLeftOut: (key) => {
        this.#result.withoutSetId++;
        const text = `${displayKey(key)}: set-user-ID and set-group-ID left out, as the owner is not restored`;
        this.#events.add({ kind: 'message', level: 'info', text });
      },
    });
    for (;;) {
      const next = paths.next();
      const versions = next instanceof Promise ? await next : next;
      if (versions === undefined) break;
      const { key, header } = newestEntry(versions);
      try {
        const place = renamedKey(renames, this.#relative(key));
        const applying = this.#apply(writer, place, header, versions);
        if (applying !== undefined) await applying;
        this.#result.entries++;
        const below = this.#relative(key);
        if (tellFiles && below !== '') this.#events.add({ kind: 'restored', key: below, type: header.type });
      } catch (error) {
        this.#failOrThrow(key, error);
      }
    }
    writer.finish();
    links?.flush();
    // What is shared lies in this share or in those before it: only later ones may still work there.
    this.#progress.waitForLater(share);
    if (share === 0) for (const file of linkFiles.slice(1)) writer.linkAcross(linkedEntries(file));
    links?.close();
    writer.finishShared();
    this.#progress.finish(share);
  }

  #recordWriter({ recordKinds, numericOwner }: RestoreAction): RecordWriter {
    const leftOut = new Map<string, number>();
    this.#result.leftOut = leftOut;
    return new RecordWriter({
      ...recordKinds,
      calls: xattrCalls(),
      ids: numericOwner ? undefined : this.#owners,
      onLeftOut: (key, what, why) => {
        const kind = `${what} (${why})`;
        if (leftOut.size < mostLeftOutKinds || leftOut.has(kind))
          leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1);
        const text = `${displayKey(key)}: restored without ${kind}`;
        this.#events.add({ kind: 'message', level: 'info', text });
      },
    });
  }

  /** Returns a promise where it must be waited for. */
  #apply(writer: TreeWriter, key: PathKey, header: TarHeader, versions: Versions): Promise<void> | undefined {
    if (header.type === 'directory') writer.directory(key, header);
    else if (header.type !== 'file') writer.special(key, header);
    else {
      const whole = contentsAtHand(versions);
      return this.#applyFile(writer.file(key, header, whole !== undefined), whole, versions);
    }
    return undefined;
  }

  #applyFile(file: FileWriter, whole: Uint8Array | undefined, versions: Versions): Promise<void> | undefined {
    const abort = (error: unknown): never => {
      file.abort();
      throw error;
    };
    const write = (bytes: Uint8Array) => {
      this.#result.contentBytes += bytes.length;
      file.write(bytes);
    };
    try {
      const writing = whole === undefined ? writeContents(versions, this.#scratchPath, write) : write(whole);
      if (writing !== undefined) return writing.then(() => file.commit()).catch(abort);
      file.commit();
    } catch (error) {
      abort(error);
    }
    return undefined;
  }

  /** Reads everything through: that it can be opened, unpacked and put together. */
  async #check(paths: Paths): Promise<void> {
    for (;;) {
      const next = paths.next();
      const versions = next instanceof Promise ? await next : next;
      if (versions === undefined) break;
      const { key, header } = newestEntry(versions);
      this.#result.entries++;
      if (header.type !== 'file') continue;
      try {
        const writing = writeContents(versions, this.#scratchPath, (bytes) => {
          this.#result.contentBytes += bytes.length;
        });
        if (writing !== undefined) await writing;
      } catch (error) {
        this.#failOrThrow(key, error);
      }
    }
  }

  async #compare(paths: Paths, action: CompareAction): Promise<void> {
    const { root, rules, followLinks } = action;
    const records = comparingReader(action, this.#owners, (key, text) => this.#warn(key, text));
    const { after, upTo } = this.#input.range;
    const current = walk(root, createSelection(rules, selectionRoot(root)), {
      range: {
        after: after === undefined ? undefined : this.#relative(after),
        upTo: upTo === undefined ? undefined : this.#relative(upTo),
      },
      followLinks,
      owners: this.#owners,
      onWarning: (kind, key, text) => this.#events.add(walkEvent(kind, root, key, text)),
    });
    let local = nextEntry(current);
    for (;;) {
      const next = paths.next();
      const versions = next instanceof Promise ? await next : next;
      if (versions === undefined) break;
      const { key: fullKey, header } = newestEntry(versions);
      const key = this.#relative(fullKey);
      for (; local !== undefined && local.key < key; local = nextEntry(current)) {
        this.#result.entries++;
        this.#differs(newFile(local.key));
      }
      this.#result.entries++;
      if (local?.key !== key) {
        this.#differs(missingFile(key));
        continue;
      }
      const difference =
        attributesDifference(key, header, local.attributes, this.#owners) ??
        recordsDifference(
          key,
          records.ofThese(header.records),
          () => records.read(local as SourceEntry),
          this.#owners,
        );
      if (difference !== undefined) this.#differs(difference);
      else if (header.type === 'file') {
        const same = this.#sameContents(local, versions, fullKey);
        if (!(same instanceof Promise ? await same : same)) this.#differs(contentsDiffer(key));
      }
      local = nextEntry(current);
    }
    for (; local !== undefined; local = nextEntry(current)) {
      this.#result.entries++;
      this.#differs(newFile(local.key));
    }
  }

  /** Whether the local file holds what the backup does. An unreadable one counts as different. */
  #sameContents(local: SourceEntry, versions: Versions, key: PathKey): boolean | Promise<boolean> {
    const unreadable = (error: unknown): false => {
      if (error instanceof TundraError && error.code !== 'format') throw error;
      this.#warn(key, messageOf(error));
      return false;
    };
    let open: FileComparison | undefined;
    try {
      const comparison = new FileComparison(local.path);
      open = comparison;
      const writing = writeContents(versions, this.#scratchPath, (bytes) => {
        this.#result.contentBytes += bytes.length;
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

  #differs(text: string): void {
    this.#result.failures++;
    this.#events.add({ kind: 'message', level: 'notice', text });
  }

  async #openVolume(place: VolumePlace): Promise<OpenedVolume | undefined> {
    const volume = await this.#volumes.request(place);
    if (volume === undefined) return undefined;
    const bytes =
      'file' in volume
        ? unpackedHere(volume.file)
        : receive(volume.channel, () => this.#send({ kind: 'free', place }));
    return {
      bytes: this.#whileWanted(bytes),
      close: async () => this.#send({ kind: 'release', place }),
    };
  }

  /** All that a share does begins with bytes of a volume: here it sees that another share has failed. */
  async *#whileWanted(bytes: ByteStream): ByteStream {
    for await (const piece of bytes) {
      this.#progress.requireWanted(this.#input.share);
      yield piece;
    }
  }

  /** Tells and counts that a volume is damaged from here on. */
  #leaveOutRest({ message, exitStatus }: TundraError): void {
    this.#result.failures++;
    const text = `${message}\nThe rest of this volume is left out, as --ignore-errors asks: its files are missing, or as they were before.`;
    this.#events.add({ kind: 'message', level: 'error', text, code: exitStatus });
  }

  /** The path below the target: the wanted path itself becomes the root. */
  #relative(key: PathKey): PathKey {
    const { wanted } = this.#input;
    if (wanted === '') return key;
    return key.length === wanted.length ? '' : key.slice(wanted.length + 1);
  }

  /** One path's own trouble is told and counted; what all others would meet too ends the run. */
  #failOrThrow(key: PathKey, error: unknown): void {
    const errno = errnoOf(error);
    if (errno !== undefined && fatalErrnos.has(errno)) {
      const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'no-free-space' : 'unexpected';
      throw new TundraError(code, `${displayKey(key)}: ${messageOf(error)}`, {
        cause: error,
        advice: 'Make room or mend the target, then run the same command with --force.',
      });
    }
    const own = errno !== undefined || (error instanceof TundraError && error.code === 'format');
    if (!own) throw error;
    this.#result.failures++;
    this.#warn(key, messageOf(error));
  }

  #warn(key: PathKey, text: string): void {
    this.#events.add({ kind: 'file-warning', key, code: cannotProcess, text: `${displayKey(key)}: ${text}` });
  }

  readonly #scratchPath = (): string =>
    join(this.#input.tempDir, `scratch.${process.pid}.${threadId}.${this.#scratchFiles++}`);
}

function pathsOf(generator: AsyncGenerator<Versions>): Paths {
  return { next: async () => (await generator.next()).value };
}

/** Whether a set between the oldest version and the newest one may hold another one that was left out. */
function hasGap(versions: Versions, readers: Versions): boolean {
  const [oldest, newest] = [versions[0], versions.at(-1)];
  if (versions.length < 2 || oldest === undefined || newest === undefined) return false;
  const key = newest.key as PathKey;
  return readers.slice(oldest.age + 1, newest.age).some((reader) => reader.mayLack(key));
}

function newestEntry(versions: Versions): SetEntry {
  return versions.at(-1)?.entry as SetEntry;
}

function nextEntry(entries: Generator<SourceEntry>): SourceEntry | undefined {
  const result = entries.next();
  return result.done ? undefined : result.value;
}

const port = parentPort;
if (port !== null) {
  const send = (message: RestoreThreadMessage) => port.postMessage(message);
  const volumes = new VolumeDesk((place) => send({ kind: 'need', place }));
  port.on('message', (answer: VolumeAnswer) => volumes.answer(answer));
  new RestoreThread(workerData as RestoreThreadInput, volumes, send)
    .run()
    .catch((error: unknown) => send({ kind: 'failed', error: plainError(error) }))
    .finally(() => port.close());
}
