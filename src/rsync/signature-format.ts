/**
 * The signature of a file, as librsync lays it out. All numbers are big-endian.
 *
 * | offset | size   | meaning                                         |
 * |--------|--------|-------------------------------------------------|
 * | 0      | 4      | magic: which sums                               |
 * | 4      | 4      | block size in bytes                             |
 * | 8      | 4      | strong sum size in bytes                        |
 * | 12     | 4      | rolling sum of block 0                          |
 * | 16     | strong | beginning of the strong sum of block 0; and on  |
 *
 * The last block may be shorter than the others; an empty file has no block.
 */
import { TundraError } from '../base/errors.js';

export const SIGNATURE_HEADER_BYTES = 12;
/** Size of the strong sums we write, as duplicity does. */
export const STRONG_SIZE_BYTES = 8;
const ROLLING_SIZE_BYTES = 4;

/** Rollsum and MD4: what we write. */
export const SIGNATURE_MAGIC = 0x72730136;

/** What a signature's header says. */
export interface SignatureHeader {
  rollingSum: 'rollsum' | 'rabinkarp';
  strongSum: 'md4' | 'blake2';
  blockSizeBytes: number;
  strongSizeBytes: number;
}

const kinds = new Map<number, Pick<SignatureHeader, 'rollingSum' | 'strongSum'>>([
  [SIGNATURE_MAGIC, { rollingSum: 'rollsum', strongSum: 'md4' }],
  [0x72730137, { rollingSum: 'rollsum', strongSum: 'blake2' }],
  [0x72730146, { rollingSum: 'rabinkarp', strongSum: 'md4' }],
  [0x72730147, { rollingSum: 'rabinkarp', strongSum: 'blake2' }],
]);

/** Block size for a file of this size, as duplicity chooses it: about 2000 blocks, in steps of 512 bytes. */
export function signatureBlockSize(fileSizeBytes: number, maxBlockSizeBytes = 2048): number {
  if (fileSizeBytes < 1_024_000) return 512;
  return Math.min(Math.floor(fileSizeBytes / 1_024_000) * 512, maxBlockSizeBytes);
}

/** Size of the signature that `SignatureBuilder` makes of a file of this size. */
export function signatureSizeBytes(fileSizeBytes: number, blockSizeBytes: number): number {
  const blocks = Math.ceil(fileSizeBytes / blockSizeBytes);
  return SIGNATURE_HEADER_BYTES + blocks * (ROLLING_SIZE_BYTES + STRONG_SIZE_BYTES);
}

/** Size of one block's entry. */
export function entrySizeBytes(header: SignatureHeader): number {
  return ROLLING_SIZE_BYTES + header.strongSizeBytes;
}

/** The header of the signatures we write. */
export function formatSignatureHeader(blockSizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(SIGNATURE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SIGNATURE_MAGIC);
  view.setUint32(4, blockSizeBytes);
  view.setUint32(8, STRONG_SIZE_BYTES);
  return bytes;
}

/** Reads the first 12 bytes of a signature of any kind that librsync knows. Throws TundraError `format`. */
export function parseSignatureHeader(bytes: Uint8Array): SignatureHeader {
  if (bytes.length < SIGNATURE_HEADER_BYTES) throw new TundraError('format', 'a signature is cut short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = kinds.get(view.getUint32(0));
  if (!kind) throw new TundraError('format', 'not a librsync signature');
  const blockSizeBytes = view.getUint32(4);
  if (blockSizeBytes === 0) throw new TundraError('format', 'a signature has blocks of 0 bytes');
  const strongSizeBytes = view.getUint32(8);
  const mostBytes = kind.strongSum === 'md4' ? 16 : 32;
  if (strongSizeBytes === 0 || strongSizeBytes > mostBytes) {
    throw new TundraError('format', `a signature has strong sums of ${strongSizeBytes} bytes`);
  }
  return { ...kind, blockSizeBytes, strongSizeBytes };
}
