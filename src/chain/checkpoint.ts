import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import type { FileNote } from '../base/file-stamp.js';
import { archivePlace, onDisk, writeAllSync } from '../base/local-disk.js';
import type { SetTimes } from '../format/names.js';
import type { LocalArchive } from './archive.js';
import { timesKey } from './sets.js';

/**
 * What is noted beside duplicity's partial files while a set is made, so that a later run knows for sure how far the set
 * has come without reading a volume: lines of JSON, the first about the set, then one for each sealed volume. It only adds
 * to the partial files: without it, or where it says another thing, they count alone.
 */
export const checkpointName = 'tundra-checkpoint.jsonl';

/** Some 200,000 volumes; read whole, it takes several times as much memory. */
const limitBytes = 32 << 20;
const formVersion = 1;

/** A sealed volume as it was when it was recorded. */
export interface CheckpointVolume {
  volume: number;
  sizeBytes: number;
  sha1Hex: string;
  /** The file in the middle of which it ends, if it does. */
  file?: (FileNote & { deltaRevision: number }) | undefined;
}

export interface Checkpoint {
  /** A short text sealed like the set's volumes: it opens with the passphrase they have. Base64. */
  token: string | undefined;
  /** The keys the set is sealed to, if to keys, in an order of their own. */
  keys: readonly string[] | undefined;
  volumes: Map<number, CheckpointVolume>;
}

/** Writes the notes of a set. Lines that are cut off by an interruption do no harm. */
export class CheckpointWriter {
  readonly path: string;
  readonly #fd: number;

  constructor(
    archive: LocalArchive,
    times: SetTimes,
    { token, keys, volumes }: Checkpoint = { token: undefined, keys: undefined, volumes: new Map() },
  ) {
    this.path = archive.newTemporaryPath();
    this.#fd = onDisk(archivePlace, this.path, () => openSync(this.path, 'wx', 0o600));
    this.#append({ version: formVersion, set: timesKey(times), token, keys });
    for (const volume of volumes.values()) this.add(volume);
  }

  add(volume: CheckpointVolume): void {
    this.#append(volume);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(line: object): void {
    onDisk(archivePlace, this.path, () =>
      writeAllSync(this.#fd, Buffer.from(`${JSON.stringify(line)}\n`, 'utf8')),
    );
  }
}

/** The notes of a set. Undefined if there are none, or they are of another one, or cannot be read. */
export function readCheckpoint(archive: LocalArchive, times: SetTimes): Checkpoint | undefined {
  const path = archive.pathOf(checkpointName);
  try {
    if (statSync(path).size > limitBytes) return undefined;
    const [first = '', ...lines] = readFileSync(path, 'utf8').split('\n');
    const head = JSON.parse(first) as Record<string, unknown>;
    if (head.version !== formVersion || head.set !== timesKey(times)) return undefined;
    const volumes = new Map<number, CheckpointVolume>();
    for (const line of lines) {
      const volume = parseVolume(line);
      if (volume === undefined) break;
      volumes.set(volume.volume, volume);
    }
    const { token, keys } = head;
    return {
      token: typeof token === 'string' ? token : undefined,
      keys: Array.isArray(keys) ? keys.map(String) : undefined,
      volumes,
    };
  } catch {
    return undefined;
  }
}

/** A line about a volume; undefined for anything else, as a line that was cut off is. */
function parseVolume(line: string): CheckpointVolume | undefined {
  let value: Partial<CheckpointVolume> | null;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { volume, sizeBytes, sha1Hex, file } = value ?? {};
  if (!Number.isSafeInteger(volume) || !Number.isSafeInteger(sizeBytes) || typeof sha1Hex !== 'string') {
    return undefined;
  }
  return { volume: volume as number, sizeBytes: sizeBytes as number, sha1Hex, file: parseFile(file) };
}

function parseFile(value: unknown): CheckpointVolume['file'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, stamp, deltaRevision } = value as Record<string, unknown>;
  if (kind !== 'snapshot' && kind !== 'diff') return undefined;
  return {
    kind,
    stamp: typeof stamp === 'string' ? stamp : undefined,
    deltaRevision: Number(deltaRevision),
  };
}
