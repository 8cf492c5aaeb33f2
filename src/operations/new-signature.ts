import { type GrowingSignature, otherTime, type SignatureFileWriter } from '../chain/signature-file.js';
import type { SignatureBuilder } from '../rsync/signature-builder.js';
import { signatureSizeBytes } from '../rsync/signature-format.js';
import type { SourceEntry } from '../source/entry.js';
import { headerOf } from '../volume/packer.js';

/** Signatures above this size are written as they grow instead of being gathered. */
const gatheredLimitBytes = 1024 * 1024;

/** The signature of a file, made beside the reading of it. */
export interface NewSignature {
  /** The file's next bytes. Returns the entries of the blocks that end in them, valid until the next call. */
  update(data: Uint8Array): Uint8Array;
  /** Instead of the next bytes: the entries that are made of them. Never in the middle of a block. */
  addEntries(entries: Uint8Array): void;
  /** @param whole whether the file could be read to its end */
  end(whole: boolean): void;
  /** Notes instead that it is not known: the next run stores the file whole. */
  discard(): void;
}

/**
 * Begins the signature of a file.
 *
 * @param builder makes it; it is this signature's until that has ended
 * @param isContinued the file's first pieces, and its records, were stored by another run
 */
export function beginSignature(
  builder: SignatureBuilder,
  file: SignatureFileWriter,
  entry: SourceEntry,
  blockSizeBytes: number,
  isContinued: boolean,
): NewSignature {
  const expectedBytes = signatureSizeBytes(entry.sizeBytes, blockSizeBytes);
  builder.reset(blockSizeBytes);
  const header = headerOf('', entry.attributes);
  header.mtimeSeconds = knownTime(entry.attributes.mtimeSeconds, Date.now() / 1000);
  // Perhaps not those records, as duplicity and --no-xattrs store none.
  if (isContinued) delete header.records;
  if (expectedBytes <= gatheredLimitBytes) {
    return {
      update: (data) => builder.update(data),
      addEntries: (entries) => builder.addEntries(entries),
      end: (whole) => {
        if (!whole) header.mtimeSeconds = otherTime(entry.attributes.mtimeSeconds);
        file.add('signature', entry.key, header, builder.finish());
      },
      discard: () => {
        builder.finish();
        file.addUnknown(entry.key, header);
      },
    };
  }
  let growing: GrowingSignature | undefined;
  const take = (data: Uint8Array) => {
    growing ??= file.begin(entry.key, header, expectedBytes);
    growing.write(data);
    return growing;
  };
  return {
    update: (data) => {
      const entries = builder.update(data);
      take(builder.take());
      return entries;
    },
    addEntries: (entries) => {
      builder.addEntries(entries);
      take(builder.take());
    },
    end: (whole) => take(builder.finish()).end(whole ? undefined : otherTime(entry.attributes.mtimeSeconds)),
    discard: () => {
      take(builder.finish()).discard();
      file.addUnknown(entry.key, header);
    },
  };
}

/** Where no signatures are wanted. */
export const noSignature: NewSignature = {
  update: () => new Uint8Array(0),
  addEntries: () => {},
  end: () => {},
  discard: () => {},
};

/** How far the clocks of file systems may be off, and the coarsest of their time stamps. */
const clockMarginSeconds = 2;

/**
 * The time to note in the signatures for a file that is about to be read. Times are compared by the second: a file that
 * was changed in this very second may be changed again in it, after it was read, and nobody would see that. So such a
 * file gets a time that is not its own, which makes the next run look at it again.
 */
function knownTime(mtimeSeconds: number, nowSeconds: number): number {
  return Math.abs(nowSeconds - mtimeSeconds) < clockMarginSeconds ? otherTime(mtimeSeconds) : mtimeSeconds;
}
