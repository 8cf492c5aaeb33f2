import { createHash } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { isRunning, startOfProcess } from './process-start.js';

/** The form of a mark, for expressions that look for names with one. */
export const runMarkForm = '[0-9a-f]{8}\\.[1-9][0-9]{0,9}\\.[0-9a-f]{8}';

/**
 * A mark for the names of temporary files, `HOST.PID.START`: by it a later run tells whether the one that made them
 * still runs. Host and start are the first 8 digits of a SHA-1.
 */
export function runMark(): string {
  return `${hostDigest()}.${process.pid}.${startDigest(process.pid)}`;
}

/** Whether the run that made a mark is surely over: it was on this host, and its process is gone. In doubt it is not. */
export function isOfEndedRun(mark: string): boolean {
  const [host, pidText, start] = mark.split('.');
  const pid = Number(pidText);
  if (host !== hostDigest() || !Number.isSafeInteger(pid) || pid < 1) return false;
  if (!isRunning(pid, null)) return true;
  // The number may have gone to another process; where the system does not tell, it has not.
  const now = startDigest(pid);
  return start !== unknownStart && now !== unknownStart && now !== start;
}

/** The digest of no text: the system does not tell when a process began. */
const unknownStart = 'da39a3ee';

function startDigest(pid: number): string {
  return digest(startOfProcess(pid) ?? '');
}

/** Containers may share a folder and a host's name, but count their processes each for itself. */
function hostDigest(): string {
  let processes = '';
  try {
    processes = readlinkSync('/proc/self/ns/pid');
  } catch {
    // A system that has no such thing.
  }
  return digest(`${hostname()}\n${processes}`);
}

function digest(text: string): string {
  return createHash('sha1').update(text).digest('hex').slice(0, 8);
}
