import type { Attributes } from '../base/attributes.js';
import { isWithin, type PathKey } from '../base/path-key.js';
import { SignatureStore } from '../chain/signature-store.js';
import type { EpochSeconds } from '../format/times.js';
import { signatureFilesAt } from './list.js';
import type { Session } from './session.js';

/** A regular file of the backup. */
export interface Candidate {
  key: PathKey;
  attributes: Attributes;
  signature: Buffer;
}

/** Signatures above this are left alone: they belong to files of many gigabytes. */
const largestSignatureBytes = 8 << 20;

/**
 * Picks files at random, each as likely as any other, in one pass over the signatures. In random order.
 *
 * @param options.path only this path and what lies below it
 */
export async function pickFiles(
  session: Session,
  time: EpochSeconds,
  { path, count, random }: { path: PathKey | undefined; count: number; random(): number },
): Promise<Candidate[]> {
  const store = new SignatureStore(await signatureFilesAt(session, time));
  const picked: Candidate[] = [];
  let seen = 0;
  try {
    for (;;) {
      const entry = await store.next();
      if (entry === undefined) break;
      const { key, kind, attributes } = entry;
      if (kind !== 'signature' || !isWithin(key, path ?? '')) continue;
      seen++;
      // Each of those seen so far stays with the same chance.
      const place = picked.length < count ? picked.length : Math.floor(random() * seen);
      if (place >= count) continue;
      const signature = await gathered(store.data());
      if (signature !== undefined) picked[place] = { key, attributes, signature };
    }
  } finally {
    await store.close();
  }
  return shuffled(picked, random);
}

/** All bytes; undefined if they are too many. */
async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Buffer | undefined> {
  const kept: Buffer[] = [];
  let sizeBytes = 0;
  for await (const piece of pieces) {
    sizeBytes += piece.length;
    if (sizeBytes > largestSignatureBytes) return undefined;
    kept.push(Buffer.from(piece));
  }
  return Buffer.concat(kept);
}

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [items[i], items[other]] = [items[other] as T, items[i] as T];
  }
  return items;
}
