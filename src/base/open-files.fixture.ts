import { readdirSync, readlinkSync } from 'node:fs';

/** How many files whose path begins like that this process has open. Needs /proc. */
export function openFilesAt(path: string): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => target.startsWith(path)).length;
}
