import { type Cipher, createCipheriv } from 'node:crypto';

/** Block length of every cipher here, in bytes. */
export const BLOCK_BYTES = 16;

/*
 * OpenPGP encrypts in cipher feedback mode: C[i] = P[i] ^ E(C[i-1]). OpenSSL runs that mode block by block in plain C;
 * the same bytes come faster from the modes it has in assembly. Encrypting: with D[i] = E(C[i]) the rule reads
 * D[i] = E(P[i] ^ D[i-1]), which is block chaining, and C[i] = P[i] ^ D[i-1]. Decrypting: all C are known, so that
 * E(C[i-1]) is the code book run over the ciphertext one block earlier.
 */

/** Encrypts one stream in AES-256-CFB from an initial vector of zeros. */
export class CfbEncryptor {
  readonly #chain: Cipher;
  /** D of the last block, as four words. */
  #previous: Int32Array;

  constructor(key: Uint8Array) {
    const book = createCipheriv('aes-256-ecb', key, null);
    const start = words(book.update(new Uint8Array(BLOCK_BYTES))).slice();
    this.#previous = start;
    this.#chain = createCipheriv('aes-256-cbc', key, start);
  }

  /** Replaces plaintext by ciphertext: whole blocks, at an offset that is a multiple of four; only the last call of a
   *  stream may end within a block. */
  encrypt(bytes: Uint8Array): void {
    const wholeBytes = bytes.length - (bytes.length % BLOCK_BYTES);
    const text = new Int32Array(bytes.buffer, bytes.byteOffset, wholeBytes / 4);
    const chained = words(this.#chain.update(bytes.subarray(0, wholeBytes)));
    const previous = this.#previous;
    if (wholeBytes > 0) {
      for (let i = 0; i < 4; i++) text[i]! ^= previous[i]!;
      xor(text.subarray(4), chained);
      this.#previous = chained.slice(-4);
    }
    const last = new Uint8Array(this.#previous.buffer);
    for (let i = wholeBytes; i < bytes.length; i++) bytes[i]! ^= last[i - wholeBytes]!;
  }
}

/**
 * Decrypts in cipher feedback mode.
 * @param frame the last block of ciphertext before the part to decrypt (or the initial vector), then that part
 * @returns the plaintext of the part, in an array of its own; whole blocks, except at the end of the stream
 */
export function decryptCfb(book: Cipher, frame: Uint8Array): Uint8Array {
  const textBytes = frame.length - BLOCK_BYTES;
  const paddedBytes = Math.ceil(textBytes / BLOCK_BYTES) * BLOCK_BYTES;
  const plain = aligned(book.update(frame.subarray(0, paddedBytes)));
  const wholeWords = textBytes >> 2;
  xor(words(plain).subarray(0, wholeWords), words(frame.subarray(BLOCK_BYTES)));
  for (let i = wholeWords * 4; i < textBytes; i++) plain[i]! ^= frame[BLOCK_BYTES + i]!;
  return plain.subarray(0, textBytes);
}

/** A block cipher for `decryptCfb`; `blockCipher` in node's words. */
export function codeBook(blockCipher: string, key: Uint8Array): Cipher {
  return createCipheriv(blockCipher, key, null).setAutoPadding(false);
}

/** Eight at a time, and with signs: so the engine makes the fastest code of it. */
function xor(into: Int32Array, other: Int32Array): void {
  const count = into.length;
  const whole = count - (count % 8);
  for (let i = 0; i < whole; i += 8) {
    into[i]! ^= other[i]!;
    into[i + 1]! ^= other[i + 1]!;
    into[i + 2]! ^= other[i + 2]!;
    into[i + 3]! ^= other[i + 3]!;
    into[i + 4]! ^= other[i + 4]!;
    into[i + 5]! ^= other[i + 5]!;
    into[i + 6]! ^= other[i + 6]!;
    into[i + 7]! ^= other[i + 7]!;
  }
  for (let i = whole; i < count; i++) into[i]! ^= other[i]!;
}

/** The bytes as words; a copy where they do not lie on a word. */
function words(bytes: Uint8Array): Int32Array {
  const lying = aligned(bytes);
  return new Int32Array(lying.buffer, lying.byteOffset, lying.length >> 2);
}

function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
}
