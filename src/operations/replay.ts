import { lstatSync, statSync } from 'node:fs';
import { isSettled } from '../base/file-stamp.js';
import { diskPath, type PathKey } from '../base/path-key.js';
import type { BackupCounts } from '../base/statistics.js';
import {
  type PartialSignature,
  PartialSignatures,
  type SignatureLimit,
} from '../chain/partial-signatures.js';
import type { SignatureFileWriter } from '../chain/signature-file.js';
import type { SignatureEntry } from '../chain/signature-store.js';
import type { Change } from '../change/compare.js';
import type { SourceEntry } from '../source/entry.js';

export interface ReplayOptions {
  signatureFile: string;
  /** What was stored. */
  limit: SignatureLimit;
  /** As in `ResumePoint`: the signature of what was changed since counts for nothing. */
  unsureSinceMs: number | undefined;
  /** Where the signatures go on. */
  writer: SignatureFileWriter;
  counts: BackupCounts;
  /** Lists, counts as a difference and tells a change. */
  record(change: 'new' | 'changed' | 'deleted', key: PathKey, isFile: boolean): void;
}

/** Signatures above this size are copied piece by piece. */
const gatheredBytes = 1 << 20;

/**
 * Takes over what an interrupted run has stored: its signatures become those of the set, and each path counts as what it
 * was then, whatever has become of it. What the next run finds changed since, it stores.
 */
export class Replay {
  readonly #options: ReplayOptions;
  readonly #stored: PartialSignatures;
  #next: PartialSignature | undefined;
  #begun = false;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#stored = new PartialSignatures(options.signatureFile, options.limit);
  }

  /** Whether a path lies in the part that is stored. */
  covers(key: PathKey): boolean {
    const { key: last, inclusive } = this.#options.limit;
    return inclusive ? key <= last : key < last;
  }

  /** Passes a path that the source has, or the signatures that the set builds on. */
  async pass(change: Change<SourceEntry, SignatureEntry>): Promise<void> {
    const key = change.kind === 'deleted' ? change.known.key : change.current.key;
    await this.#takeUpTo(key);
    if (this.#next?.key === key) {
      await this.#take(this.#next, change);
      this.#next = await this.#stored.next();
    } else if (change.kind !== 'new') {
      // It was unchanged then; one that is new now was not there.
      this.#options.counts.sourceFiles++;
      if (change.kind !== 'deleted') this.#options.counts.sourceFileSizeBytes += change.current.sizeBytes;
    }
  }

  /** Takes what is left: paths that are gone, and were new when they were stored. */
  async finish(): Promise<void> {
    try {
      await this.#takeUpTo(undefined);
    } finally {
      await this.#stored.close();
    }
  }

  async #takeUpTo(key: PathKey | undefined): Promise<void> {
    if (!this.#begun) this.#next = await this.#stored.next();
    this.#begun = true;
    while (this.#next !== undefined && (key === undefined || this.#next.key < key)) {
      await this.#take(this.#next, undefined);
      this.#next = await this.#stored.next();
    }
  }

  async #take(
    stored: PartialSignature,
    change: Change<SourceEntry, SignatureEntry> | undefined,
  ): Promise<void> {
    if (this.#isUnsure(change)) this.#options.writer.addUnknown(stored.key, stored.header);
    else await this.#copy(stored);
    const { counts, record } = this.#options;
    const { key, kind } = stored;
    const known = change === undefined || change.kind === 'new' ? undefined : change.known;
    if (kind === 'deleted') {
      counts.deletedFiles++;
      record('deleted', key, known?.attributes.type === 'file');
      return;
    }
    const sizeBytes = change === undefined || change.kind === 'deleted' ? 0 : change.current.sizeBytes;
    const isDelta = kind === 'signature' && known?.kind === 'signature';
    counts.sourceFiles++;
    counts.sourceFileSizeBytes += sizeBytes;
    if (isDelta) {
      counts.changedFiles++;
      counts.changedFileSizeBytes += sizeBytes;
    } else {
      counts.newFiles++;
      counts.newFileSizeBytes += sizeBytes;
    }
    record(isDelta ? 'changed' : 'new', key, kind === 'signature');
  }

  #isUnsure(change: Change<SourceEntry, SignatureEntry> | undefined): boolean {
    const { unsureSinceMs } = this.#options;
    if (unsureSinceMs === undefined || change === undefined || change.kind === 'deleted') return false;
    const path = diskPath(change.current.path);
    for (const stat of [lstatSync, statSync]) {
      const stats = stat(path, { bigint: true, throwIfNoEntry: false });
      if (stats !== undefined && !isSettled(stats, unsureSinceMs)) return true;
    }
    return false;
  }

  async #copy({ kind, key, header }: PartialSignature): Promise<void> {
    const { writer } = this.#options;
    const { sizeBytes } = header;
    if (sizeBytes > gatheredBytes) {
      const growing = writer.begin(key, header, sizeBytes);
      for (let piece = await this.#stored.data(); piece !== undefined; piece = await this.#stored.data())
        growing.write(piece);
      growing.end();
      return;
    }
    const pieces: Uint8Array[] = [];
    for (let piece = await this.#stored.data(); piece !== undefined; piece = await this.#stored.data())
      pieces.push(Buffer.from(piece));
    writer.add(kind, key, header, kind === 'signature' ? Buffer.concat(pieces) : undefined);
  }
}
