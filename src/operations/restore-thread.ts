/**
 * The target side of a restore or a verification, run in a thread of its own: merge and apply. The main thread fetches the
 * volumes, and unpacks large ones for a single thread; here they are merged over all sets, and files are made with synchronous
 * calls.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ByteStream } from '../base/bytes.js';
import { plainError, type TundraError } from '../base/errors.js';
import { displayKey, isWithin, type PathKey } from '../base/path-key.js';
import { openRestoreMap } from '../chain/restore-map.js';
import { Merge } from '../change/merge.js';
import { receive } from '../volume/channel.js';
import { type OpenedVolume, SetReader } from '../volume/set-reader.js';
import { checkPaths } from './check-paths.js';
import { comparePaths } from './compare-paths.js';
import { VolumeReader } from './napping-volumes.js';
import type {
  RestoreThreadInput,
  RestoreThreadMessage,
  VolumeAnswer,
  VolumePlace,
} from './restore-messages.js';
import { restorePaths } from './restore-paths.js';
import { type NextPath, newestEntry, type Paths, ShareWork, type Versions } from './share-work.js';
import { VolumeDesk } from './volume-desk.js';

const cutShort =
  'its end is missing: the run that backed it up was broken off, and taken up again when the file had changed or was gone';

class RestoreThread {
  readonly #work: ShareWork;
  readonly #send: (message: RestoreThreadMessage) => void;
  readonly #volumes: VolumeDesk;
  readonly #reader: VolumeReader;

  constructor(input: RestoreThreadInput, volumes: VolumeDesk, send: (message: RestoreThreadMessage) => void) {
    this.#work = new ShareWork(input, send);
    this.#volumes = volumes;
    this.#send = send;
    this.#reader = new VolumeReader(input.sets.length, this.#work.scratchPath);
  }

  async run(): Promise<void> {
    const work = this.#work;
    const { share, sets, range, map, wanted, ignoreErrors, action } = work.input;
    const readers = sets.map(
      (volumes, set) =>
        new SetReader(set, volumes, wanted, {
          range,
          open: ({ number: volume }) => this.#openVolume({ share, set, volume }),
          onDamage: ignoreErrors ? (error) => this.#leaveOutRest(error) : undefined,
          onCutShort: (key) => work.warn(key, cutShort),
          skipsVolumes: map !== undefined,
        }),
    );
    const merge = new Merge(readers);
    const mapped = map === undefined ? undefined : this.#mapped(merge, map);
    const paths = this.#possible(mapped === undefined ? merge : pathsOf(mapped), readers);
    try {
      if (action.kind === 'restore') await restorePaths(work, paths, action);
      else if (action.kind === 'check') await checkPaths(work, paths);
      else await comparePaths(work, paths, action);
    } finally {
      work.events.flush();
      await mapped?.return(undefined);
      await Promise.all(readers.map((reader) => reader.close()));
      this.#reader.close();
    }
    this.#send({ kind: 'done', result: work.result });
  }

  /** The paths that the map has: what else the volumes hold is gone, which they need not tell. */
  async *#mapped(paths: AsyncIterable<Versions>, map: string): AsyncGenerator<Versions> {
    const index = openRestoreMap(map);
    const missing = (key: PathKey) => {
      this.#work.result.failures++;
      this.#work.warn(key, 'the backup should have it, and no volume does');
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
    const result = this.#work.result;
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
    this.#work.warn(key, problem);
    return false;
  }

  async #openVolume(place: VolumePlace): Promise<OpenedVolume | undefined> {
    const volume = await this.#volumes.request(place);
    if (volume === undefined) return undefined;
    const bytes =
      'file' in volume
        ? this.#reader.read(volume.file)
        : receive(volume.channel, () => this.#send({ kind: 'free', place }));
    return {
      bytes: this.#whileWanted(bytes),
      close: async () => this.#send({ kind: 'release', place }),
    };
  }

  /** All that a share does begins with bytes of a volume: here it sees that another share has failed. */
  async *#whileWanted(bytes: ByteStream): ByteStream {
    for await (const piece of bytes) {
      this.#work.progress.requireWanted(this.#work.input.share);
      yield piece;
    }
  }

  /** Tells and counts that a volume is damaged from here on. */
  #leaveOutRest({ message, exitStatus }: TundraError): void {
    this.#work.result.failures++;
    const text = `${message}\nThe rest of this volume is left out, as --ignore-errors asks: its files are missing, or as they were before.`;
    this.#work.events.add({ kind: 'message', level: 'error', text, code: exitStatus });
  }
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
