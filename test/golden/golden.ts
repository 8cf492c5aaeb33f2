import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { TarHeader } from '../../src/format/tar/header.js';

const folder = new URL('../../../test/golden/', import.meta.url);

/** The bytes of a golden file; `.gz` is undone. */
export function goldenBytes(name: string): Buffer {
  const bytes = readFileSync(new URL(name, folder));
  return name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

/** An entry of a tar and the SHA-1 of its data. */
export type GoldenEntry = TarHeader & { sha1: string };

/** What Python's tarfile read in the golden tar `name`. */
export function goldenEntries(name: string): GoldenEntry[] {
  const lines = goldenBytes(name.replace('.gz', '.jsonl')).toString('utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as GoldenEntry);
}

export function sha1Of(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}
