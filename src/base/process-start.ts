import { readFileSync } from 'node:fs';
import { errnoOf } from './errors.js';

/**
 * When a process began, as a string that no other process of that number has: the id of the system's start, and clock
 * ticks since then (field 22 of Linux's `/proc/PID/stat`). `ended` for one that only waits to be collected; undefined
 * if the system does not tell.
 */
export function startOfProcess(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the program's name, is in brackets and can hold anything.
    const [state, ...rest] = line.slice(line.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return 'ended';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${rest[18]}`;
  } catch {
    return undefined;
  }
}

/** Whether the process that was `pid`, and began at `start`, still runs. In doubt it does. */
export function isRunning(pid: number, start: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
  }
  const now = startOfProcess(pid);
  return now === undefined || (now !== 'ended' && (start === null || now === start));
}
