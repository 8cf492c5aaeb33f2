import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Running } from '../cli/trial.js';

/** How far a process has read in a file that it has open; undefined if it has not. */
export function readPosition(pid: number, path: string): number | undefined {
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== path) continue;
        const position = /^pos:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1];
        return Number(position);
      } catch {
        // It was closed meanwhile.
      }
    }
  } catch {
    // The process has ended.
  }
  return undefined;
}

/**
 * Stops a process while it reads a file, has `act` done, and lets it go on. The file must take so long to read that a
 * look every millisecond finds it open.
 */
export async function whileReading(
  running: Running,
  path: string,
  act: (position: number) => void,
): Promise<void> {
  const { child } = running;
  const pid = child.pid as number;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`it ended without reading ${path}`);
    if (readPosition(pid, path) !== undefined) {
      child.kill('SIGSTOP');
      while (!isStopped(pid)) await sleep(1);
      const position = readPosition(pid, path);
      try {
        if (position === undefined) throw new Error(`it had read ${path} before it could be stopped`);
        act(position);
      } finally {
        child.kill('SIGCONT');
      }
      return;
    }
    await sleep(1);
  }
}

function isStopped(pid: number): boolean {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return line.charAt(line.lastIndexOf(')') + 2) === 'T';
}
