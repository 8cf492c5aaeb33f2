import type { BigIntStats } from 'node:fs';

/**
 * What tells a file's content from another one's without reading it: inode, size, and the times of its last changes. Not
 * the device, whose number may be another one after a restart of the machine.
 */
export function fileStamp({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join('.');
}

/** The coarsest clock of a file system, and how far it may be off. */
const clockMarginNs = 2_000_000_000n;

/** Whether a file was last changed so long before a time that a change after it would show in its stamp. */
export function isSettled({ mtimeNs, ctimeNs }: BigIntStats, beforeMs: number): boolean {
  const limitNs = BigInt(Math.floor(beforeMs)) * 1_000_000n - clockMarginNs;
  return mtimeNs < limitNs && ctimeNs < limitNs;
}

/** A file that is stored in several pieces, for whoever must go on with it after an interruption. */
export interface FileNote {
  /** Whether its data or a delta is stored. */
  kind: 'snapshot' | 'diff';
  /** Its stamp before the first byte was read; undefined if a change might not show in it. */
  stamp: string | undefined;
}
