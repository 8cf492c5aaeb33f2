import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { appendFile, link, mkdir, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf } from '../../base/errors.js';
import { type Latin1, latin1OfNative } from '../../base/path-key.js';
import { diskFailure } from '../local/failure.js';
import { removeAbandoned, temporaryName } from '../local/temporary.js';

/** The folder, beside the objects, that holds the records. */
export const recordsFolderName = '.tundra-cold';
const logName = 'requests.log';
/** A record is a line; what is longer is none. */
const recordLimitBytes = 1024;
/** How many records are read before others may run. */
const recordsPerTurn = 256;

/** A thaw that was asked for. Times are milliseconds since the epoch. */
export interface ThawRecord {
  askedAtMs: number;
  readyAtMs: number;
  readyUntilMs: number;
}

/** What the log tells: a thaw was started, an object was given out, or one that was not ready was asked for. */
export type LoggedRequest = 'thaw' | 'get' | 'refused';

/**
 * The thaws of a folder's objects, kept on its disk so that they outlive the process. Each object that was asked for
 * has a file, which appears whole or not at all; a damaged one counts as none. `requests.log` gets a line for each
 * request: `2026-01-02T03:04:05.678Z thaw NAME`, control characters and `\` of the name as `\x5c`. Several processes may
 * use it at once. Errors are those of the disk.
 */
export class ThawRecords {
  readonly #folder: string;
  #cleaned: Promise<void> | undefined;

  /** @param folder the folder of the objects, a native path */
  constructor(folder: string) {
    this.#folder = `${folder}/${recordsFolderName}`;
  }

  /** The record of an object, if there is one. */
  read(name: Latin1): ThawRecord | undefined {
    return this.#readFile(fileNameOf(name));
  }

  /** The records of those of many objects that have one. */
  async readAll(names: Iterable<Latin1>): Promise<Map<Latin1, ThawRecord>> {
    const records = new Map<Latin1, ThawRecord>();
    const files = await this.#listFiles();
    if (files.size === 0) return records;
    let count = 0;
    for (const name of names) {
      const fileName = fileNameOf(name);
      if (!files.has(fileName)) continue;
      // Plain calls are several times faster than a promise for each file; the pauses let others run.
      if (++count % recordsPerTurn === 0) await nextTurn();
      const record = this.#readFile(fileName);
      if (record !== undefined) records.set(name, record);
    }
    return records;
  }

  /**
   * Keeps the record of a new thaw, unless there is one that is not over: then that one stays. Gives the one that
   * counts. Of several processes that ask at once, one starts the thaw.
   */
  async start(name: Latin1, record: ThawRecord): Promise<ThawRecord> {
    const path = `${this.#folder}/${fileNameOf(name)}`;
    const temporary = `${this.#folder}/${temporaryName()}`;
    const failed = (cause: unknown): never => {
      throw diskFailure('could not write', latin1OfNative(path), cause);
    };
    await mkdir(this.#folder, { recursive: true }).catch(failed);
    this.#cleaned ??= removeAbandoned(this.#folder, Date.now());
    await this.#cleaned;
    try {
      await writeFile(temporary, `${JSON.stringify(record)}\n`, { flag: 'wx' }).catch(failed);
      // A link tells who came first, where the file system has links; a rename would not.
      const isFirst = await link(temporary, path).then(
        () => true,
        () => false,
      );
      if (!isFirst) {
        const standing = this.read(name);
        if (standing !== undefined && record.askedAtMs < standing.readyUntilMs) return standing;
        await rename(temporary, path).catch(failed);
      }
    } finally {
      await unlink(temporary).catch(() => {});
    }
    await this.log('thaw', name, record.askedAtMs);
    return record;
  }

  /** Removes the record of an object, if there is one. */
  async forget(name: Latin1): Promise<void> {
    const path = `${this.#folder}/${fileNameOf(name)}`;
    await unlink(path).catch((cause) => {
      if (errnoOf(cause) !== 'ENOENT') throw diskFailure('could not remove', latin1OfNative(path), cause);
    });
  }

  /** Adds a line to the log. */
  async log(request: LoggedRequest, name: Latin1, nowMs: number): Promise<void> {
    const path = `${this.#folder}/${logName}`;
    const line = `${new Date(nowMs).toISOString()} ${request} ${plainName(name)}\n`;
    // One write to a file that is opened to append does not mix with those of other processes.
    const append = () => appendFile(path, Buffer.from(line, 'latin1'));
    try {
      await append().catch(async (cause) => {
        if (errnoOf(cause) !== 'ENOENT') throw cause;
        await mkdir(this.#folder, { recursive: true });
        await append();
      });
    } catch (cause) {
      throw diskFailure('could not write', latin1OfNative(path), cause);
    }
  }

  async #listFiles(): Promise<Set<string>> {
    try {
      return new Set(await readdir(this.#folder));
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return new Set();
      throw diskFailure('could not list', latin1OfNative(this.#folder), cause);
    }
  }

  #readFile(fileName: string): ThawRecord | undefined {
    const path = `${this.#folder}/${fileName}`;
    const bytes = Buffer.alloc(recordLimitBytes);
    let sizeBytes: number;
    try {
      const file = openSync(path, 'r');
      try {
        sizeBytes = readSync(file, bytes);
      } finally {
        closeSync(file);
      }
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw diskFailure('could not read', latin1OfNative(path), cause);
    }
    return parseRecord(bytes.toString('latin1', 0, sizeBytes));
  }
}

/** An object's name can be too long, or taken, as the name of a file of ours: its hash cannot. */
function fileNameOf(name: Latin1): string {
  return `${createHash('sha256').update(name, 'latin1').digest('hex').slice(0, 32)}.json`;
}

function parseRecord(text: string): ThawRecord | undefined {
  let value: Partial<Record<keyof ThawRecord, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { askedAtMs, readyAtMs, readyUntilMs } = value ?? {};
  if (!isTime(askedAtMs) || !isTime(readyAtMs) || !isTime(readyUntilMs)) return undefined;
  return { askedAtMs, readyAtMs, readyUntilMs };
}

/** The last moment that a Date can hold. */
const latestMs = 8.64e15;

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= latestMs;
}

/** The name on one line. */
function plainName(name: Latin1): Latin1 {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what would break the line
  return name.replace(/[\x00-\x1f\x7f\\]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
