import { createReadStream } from 'node:fs';
import { TundraError } from '../base/errors.js';
import type { PathKey } from '../base/path-key.js';
import { parseSigtarName, type SigtarKind } from '../format/sigtar.js';
import type { TarHeader } from '../format/tar/header.js';
import { TarReader } from '../format/tar/read.js';

const readBytes = 128 * 1024;

export interface PartialSignature {
  kind: SigtarKind;
  key: PathKey;
  header: TarHeader;
}

/** How far the signatures of an interrupted run are taken: to a path, with or without it. */
export interface SignatureLimit {
  key: PathKey;
  inclusive: boolean;
}

/**
 * Reads the signatures that an interrupted run left, plain, in path order. They end where the file was cut off. A run of
 * duplicity that was taken up and interrupted again has begun from the start behind what there was: of several entries
 * of a path the first one is that of the stored data.
 */
export class PartialSignatures {
  readonly #reader: TarReader;
  readonly #limit: SignatureLimit | undefined;
  #last: PathKey | undefined;

  constructor(path: string, limit?: SignatureLimit) {
    this.#reader = new TarReader(createReadStream(path, { highWaterMark: readBytes }), path);
    this.#limit = limit;
  }

  /** The next entry; undefined at the end, wherever that is. */
  async next(): Promise<PartialSignature | undefined> {
    for (;;) {
      const header = await untilCut(() => this.#reader.next());
      if (header === undefined) return undefined;
      const entry = entryOf(header);
      if (entry === undefined) return undefined;
      if (this.#last !== undefined && entry.key <= this.#last) continue;
      if (this.#limit !== undefined && !isWithinLimit(entry.key, this.#limit)) return undefined;
      this.#last = entry.key;
      return entry;
    }
  }

  /** The next part of the entry's data; undefined at its end. Error: `format` where it is cut off. */
  async data(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#reader.pollBody();
      if (piece !== 'more') return piece;
      await this.#reader.fill();
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

/** The path of the last signature that is there to its end; undefined if there is none. */
export async function lastPartialSignature(path: string): Promise<PathKey | undefined> {
  const signatures = new PartialSignatures(path);
  let last: PathKey | undefined;
  try {
    for (let entry = await signatures.next(); entry !== undefined; entry = await signatures.next()) {
      const whole = await untilCut(async () => {
        while ((await signatures.data()) !== undefined);
        return true;
      });
      if (whole === undefined) break;
      last = entry.key;
    }
  } finally {
    await signatures.close();
  }
  return last;
}

function isWithinLimit(key: PathKey, { key: limit, inclusive }: SignatureLimit): boolean {
  return inclusive ? key <= limit : key < limit;
}

function entryOf(header: TarHeader): PartialSignature | undefined {
  try {
    return { ...parseSigtarName(header.name), header };
  } catch (error) {
    if (error instanceof TundraError && error.code === 'format') return undefined;
    throw error;
  }
}

/** Undefined where the bytes are no tar any more. */
async function untilCut<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TundraError && error.code === 'format') return undefined;
    throw error;
  }
}
