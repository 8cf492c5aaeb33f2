import { createHash, randomBytes } from 'node:crypto';
import { BLOCK_BYTES, CfbEncryptor } from './cfb.js';
import { tags } from './packets.js';

/** A multiple of the block length that stays in the processor's cache. */
const CIPHER_BYTES = 32 * 1024;

/** Integrity packet: tag, length, SHA-1. */
export const INTEGRITY_BYTES = 22;

/** Random bytes at the start, the last two twice: with them a wrong key shows early. */
export const PREFIX_BYTES = BLOCK_BYTES + 2;

/**
 * Encrypts the inside of a protected packet, version 1 (RFC 4880, section 5.13): the random prefix, the packets that
 * are written, and the integrity packet with the SHA-1 of all that goes before its digest.
 */
export class Protection {
  readonly #emit: (piece: Uint8Array) => void | Promise<void>;
  readonly #cipher: CfbEncryptor;
  readonly #hash = createHash('sha1');
  /** Plaintext that waits for a whole block, or for enough of them. */
  #waiting = new Uint8Array(CIPHER_BYTES);
  #waitingBytes = 0;

  constructor(emit: (piece: Uint8Array) => void | Promise<void>, key: Uint8Array) {
    this.#emit = emit;
    this.#cipher = new CfbEncryptor(key);
    const random = randomBytes(BLOCK_BYTES);
    const prefix = Buffer.concat([random, random.subarray(-2)]);
    this.#hash.update(prefix);
    this.#gather(prefix);
  }

  /** Upper bound for the bytes that `finish` would emit. */
  get bytesPending(): number {
    return this.#waitingBytes + INTEGRITY_BYTES;
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#hash.update(piece);
    await this.#encrypt(piece);
  }

  /** Emits all whole blocks. */
  flush(): Promise<void> {
    return this.#encryptWaiting(this.#waitingBytes - (this.#waitingBytes % BLOCK_BYTES));
  }

  async finish(): Promise<void> {
    const head = Uint8Array.of(0xc0 | tags.integrityCode, INTEGRITY_BYTES - 2);
    await this.write(head);
    await this.#encrypt(this.#hash.digest());
    await this.#encryptWaiting(this.#waitingBytes);
  }

  async #encrypt(piece: Uint8Array): Promise<void> {
    for (let taken = 0; taken < piece.length; ) {
      taken += this.#gather(piece.subarray(taken));
      if (this.#waitingBytes === CIPHER_BYTES) await this.#encryptWaiting(CIPHER_BYTES);
    }
  }

  /** Copies what fits and returns how much that was. */
  #gather(bytes: Uint8Array): number {
    const size = Math.min(bytes.length, CIPHER_BYTES - this.#waitingBytes);
    this.#waiting.set(bytes.subarray(0, size), this.#waitingBytes);
    this.#waitingBytes += size;
    return size;
  }

  /** Emits the first of the waiting bytes: whole blocks, or at the end of the packet all that there is. */
  async #encryptWaiting(sizeBytes: number): Promise<void> {
    const text = this.#waiting.subarray(0, sizeBytes);
    const rest = this.#waiting.slice(sizeBytes, this.#waitingBytes);
    this.#cipher.encrypt(text);
    await this.#emit(text);
    this.#waiting.set(rest);
    this.#waitingBytes = rest.length;
  }
}
