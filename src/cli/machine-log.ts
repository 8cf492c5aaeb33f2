import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { errnoOf, messageOf } from '../base/errors.js';
import { commandLineError } from './arguments.js';
import { type LogRecord, machineRecord } from './render/log-record.js';

/** Where records for programs go. */
export interface MachineLog {
  write(record: LogRecord): void;
  close(): void;
}

interface Output {
  /** For people. */
  name: string;
  fd: number;
  /** Whether it was opened here. */
  isOwn: boolean;
}

/**
 * Opens the machine log: `--log-fd`, `--log-file`, or both. A file is added to. Undefined if neither is given. Error:
 * `command-line` if one cannot be written.
 *
 * @param onFailure is told once if an output that was good can be written no longer; the run goes on without it
 */
export function openMachineLog(
  fd: number | undefined,
  file: string | undefined,
  onFailure: (text: string) => void,
): MachineLog | undefined {
  const outputs: Output[] = [];
  if (fd !== undefined) outputs.push(givenDescriptor(fd));
  if (file !== undefined) outputs.push(openedFile(file));
  if (outputs.length === 0) return undefined;
  return {
    write: (record) => {
      const bytes = Buffer.from(machineRecord(record), 'utf8');
      for (const output of [...outputs]) {
        try {
          writeWhole(output.fd, bytes);
        } catch (error) {
          outputs.splice(outputs.indexOf(output), 1);
          onFailure(
            `${output.name} cannot be written any longer: ${messageOf(error)}; the run goes on without it`,
          );
        }
      }
    },
    close: () => {
      for (const { fd, isOwn } of outputs.splice(0)) if (isOwn) closeSync(fd);
    },
  };
}

function givenDescriptor(fd: number): Output {
  if (fd < 1) throw commandLineError('--log-fd must be greater than zero');
  const problem = descriptorProblem(fd);
  if (problem !== undefined) throw commandLineError(`--log-fd ${fd}: ${problem}`);
  return { name: `the machine log (--log-fd ${fd})`, fd, isOwn: false };
}

/**
 * Why a descriptor cannot be logged to. Numbers that the caller has left free may be in use by the JavaScript engine itself,
 * which must not be disturbed: it has event queues there, and pipes to itself.
 */
function descriptorProblem(fd: number): string | undefined {
  try {
    fstatSync(fd);
  } catch (error) {
    return errnoOf(error) === 'EBADF' ? 'it is not open' : messageOf(error);
  }
  const link = linkOf(fd);
  if (link === undefined) return undefined;
  if (link.startsWith('anon_inode:')) return 'it is not open';
  if (link.startsWith('pipe:') && fd > 2) {
    const ends = readdirSync('/proc/self/fd').filter((other) => linkOf(other) === link);
    if (new Set(ends.map(accessModeOf)).size > 1) return 'it is not open';
  }
  return accessModeOf(fd) === 0 ? 'it is open for reading only' : undefined;
}

/** What a descriptor of this process is open on; undefined where the system does not tell. */
function linkOf(fd: number | string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** 0 where it is open for reading only. */
function accessModeOf(fd: number | string): number {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  return Number.parseInt(/^flags:\s*(\d+)/m.exec(text)?.[1] ?? '', 8) & 3;
}

function openedFile(file: string): Output {
  try {
    return { name: `the machine log ${file}`, fd: openSync(file, 'a'), isOwn: true };
  } catch (error) {
    throw commandLineError(`--log-file: ${messageOf(error)}`);
  }
}

const pauseMs = 10;
const pause = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** A reader that is slow holds up the run, as it does where writing blocks by itself. */
function writeWhole(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, pauseMs);
    }
  }
}
