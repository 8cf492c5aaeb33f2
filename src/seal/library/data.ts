import { createHash } from 'node:crypto';
import { giveBuffer, takeBuffer } from '../../base/buffer-pool.js';
import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import type { ByteReader, SkippingReader } from '../byte-reader.js';
import { BLOCK_BYTES, codeBook, decryptCfb } from './cfb.js';
import { type PacketBody, tags } from './packets.js';
import { INTEGRITY_BYTES, PREFIX_BYTES } from './protect.js';
import type { SessionKey } from './session-keys.js';

/**
 * Decrypts the data of a protected packet, without the prefix and the integrity packet. What it gives holds only once
 * it came to its end: before that nothing was checked. Each piece is an array of its own.
 * Errors: TundraError `format` when the integrity check fails.
 * @param prefix the encrypted prefix
 * @param body what follows it
 * @param pieceBytes how much to decrypt at once: a multiple of the block length
 * @param isChecked leave that check out
 */
export async function* protectedData(
  prefix: Uint8Array,
  body: ByteReader,
  key: SessionKey,
  pieceBytes: number,
  isChecked: boolean,
): ByteStream {
  const hash = isChecked ? undefined : createHash('sha1');
  // One piece is held back, since the integrity packet at the end may lie across two.
  let held: Uint8Array = new Uint8Array(0);
  let skipBytes = PREFIX_BYTES;
  for await (const piece of decrypted(new Uint8Array(BLOCK_BYTES), prefix, body, key, pieceBytes)) {
    if (piece.length < INTEGRITY_BYTES) {
      held = Buffer.concat([held, piece]);
      break;
    }
    hash?.update(held);
    if (held.length > skipBytes) yield held.subarray(skipBytes);
    if (held.length > 0) skipBytes = 0;
    held = piece;
  }

  const textBytes = held.length - INTEGRITY_BYTES;
  if (textBytes < skipBytes) throw altered();
  hash?.update(held.subarray(0, textBytes + 2));
  const [tag, sizeBytes] = held.subarray(textBytes);
  const digest = held.subarray(textBytes + 2);
  const isWhole = tag === (0xc0 | tags.integrityCode) && sizeBytes === digest.length;
  if (!isWhole || hash?.digest().equals(digest) === false) throw altered();
  if (textBytes > skipBytes) yield held.subarray(skipBytes, textBytes);
}

/**
 * Decrypts the data of a protected packet from a place in the middle on, up to and with the integrity packet, which is not
 * looked at.
 * @param body what follows the encrypted prefix in `source`
 * @param offset of the first wanted byte behind the prefix: more than two blocks
 * @param pieceBytes as of `protectedData`
 */
export async function* protectedDataFrom(
  offset: number,
  body: PacketBody,
  source: SkippingReader,
  key: SessionKey,
  pieceBytes: number,
): ByteStream {
  const start = PREFIX_BYTES + offset;
  const firstBlock = start - (start % BLOCK_BYTES);
  await body.pass(firstBlock - BLOCK_BYTES - PREFIX_BYTES, source);
  const feedback = new Uint8Array(BLOCK_BYTES);
  await body.read(feedback);
  let skipBytes = start - firstBlock;
  for await (const piece of decrypted(feedback, new Uint8Array(0), body, key, pieceBytes)) {
    yield piece.subarray(skipBytes);
    skipBytes = 0;
  }
}

/** Decrypts the data of the old kind of encrypted packet, which has no integrity check. */
export function unprotectedData(
  prefix: Uint8Array,
  body: ByteReader,
  key: SessionKey,
  pieceBytes: number,
): ByteStream {
  // The feedback starts anew after the prefix, with its last block (RFC 4880, section 13.9).
  return decrypted(prefix.subarray(-BLOCK_BYTES), new Uint8Array(0), body, key, pieceBytes);
}

/** Whole pieces of plaintext; all but the last are of one size. */
async function* decrypted(
  feedback: Uint8Array,
  first: Uint8Array,
  body: ByteReader,
  key: SessionKey,
  pieceBytes: number,
): ByteStream {
  const book = codeBook(key.blockCipher, key.key);
  const frame = takeBuffer(BLOCK_BYTES + pieceBytes);
  const text = frame.subarray(BLOCK_BYTES);
  frame.set(feedback);
  text.set(first);
  try {
    for (let offset = first.length, size = pieceBytes; size === pieceBytes; offset = 0) {
      size = offset + (await body.read(text.subarray(offset)));
      if (size > 0) yield decryptCfb(book, frame.subarray(0, BLOCK_BYTES + size));
      frame.copyWithin(0, pieceBytes);
    }
  } finally {
    giveBuffer(frame);
  }
}

function altered(): TundraError {
  return new TundraError('format', 'its integrity check fails: it was altered or cut short');
}
