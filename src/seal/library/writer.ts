import { randomBytes } from 'node:crypto';
import type { SealOutput, SealWriter } from '../cipher.js';
import { ParallelDeflate, type ParallelDeflateOptions } from '../deflate.js';
import { AES256, compression, hashes, SHA256 } from './algorithms.js';
import { CHUNK_BYTES, LiteralParts } from './literal-parts.js';
import { tags } from './packets.js';
import { PartialBody } from './partial-body.js';
import { Protection } from './protect.js';
import { decodeCount, type PassphraseKeys, parseS2k, type S2k } from './s2k.js';

const PART_BYTES = 256 * 1024;

/** The key that all messages of a run share, so that it is derived once, and the packet that tells how. */
export interface RunKey {
  key: Uint8Array;
  packet: Uint8Array;
}

/** The compressed packet's tag, of indeterminate length, and its method. */
const COMPRESSED_HEAD_BYTES = 2;

const COUNT_CODE = 0xff;

/**
 * Makes a run's key with a salt of its own, or with that of an earlier run whose files this one has opened: then the key
 * is known already, and reading a long chain takes one derivation. The packet (RFC 4880, section 5.3):
 *
 * | offset | size | meaning                                                              |
 * |--------|------|----------------------------------------------------------------------|
 * | 0      | 2    | tag 3, 13 bytes follow                                                |
 * | 2      | 1    | version 4                                                            |
 * | 3      | 1    | cipher: AES-256                                                      |
 * | 4      | 11   | key derivation: iterated and salted SHA-256 of 65,011,712 bytes       |
 *
 * No encrypted session key follows, so the derived key is the session key.
 */
export function newRunKey(keys: PassphraseKeys): RunKey {
  const { proven } = keys;
  const isLikeOurs = proven?.hash === hashes[SHA256] && proven?.countBytes === decodeCount(COUNT_CODE);
  const salt = isLikeOurs ? proven.salt : randomBytes(8);
  const derivation = Buffer.concat([Uint8Array.of(3, SHA256), salt, Uint8Array.of(COUNT_CODE)]);
  const head = Uint8Array.of(0x80 | (tags.passphraseSessionKey << 2), 2 + derivation.length, 4, AES256);
  const key = keys.derive(parseS2k(derivation) as S2k, 32);
  return { key, packet: Buffer.concat([head, derivation]) };
}

/**
 * Writes an OpenPGP message that a passphrase opens, as gpg does: AES-256, integrity protected, ZIP inside.
 *
 * | packet                         | what it holds                                                  |
 * |--------------------------------|----------------------------------------------------------------|
 * | 3, version 4                   | how the key comes from the passphrase                          |
 * | 18, version 1, in parts        | encrypted: a random prefix, then                               |
 * | - 8, of indeterminate length   | ZIP: the packet below                                          |
 * | - - 11, in parts               | binary, no name, no time: the plaintext                        |
 * | - 19                           | SHA-1                                                          |
 */
export class PassphraseWriter implements SealWriter {
  readonly #output: SealOutput;
  readonly #literal: LiteralParts;
  readonly #deflate: ParallelDeflate;
  readonly #protection: Protection;
  readonly #protected: PartialBody;
  readonly #head: Uint8Array;
  #ended = false;
  bytesOut = 0;

  constructor(output: SealOutput, runKey: RunKey, deflate: Omit<ParallelDeflateOptions, 'chunkBytes'>) {
    this.#output = output;
    this.#head = Buffer.concat([runKey.packet, Uint8Array.of(0xc0 | tags.protected)]);
    this.#protected = new PartialBody((piece) => this.#emit(piece), PART_BYTES);
    this.#protection = new Protection((piece) => this.#protected.write(piece), runKey.key);
    this.#deflate = new ParallelDeflate((piece) => this.#protection.write(piece), {
      ...deflate,
      chunkBytes: CHUNK_BYTES,
    });
    this.#literal = new LiteralParts(this.#deflate);
    // None of these fills a part or a chunk, so none has to be waited for.
    this.#protected.write(Uint8Array.of(1)); // version
    this.#protection.write(Uint8Array.of(0x80 | (tags.compressed << 2) | 3, compression.zip));
    this.#deflate.write(Uint8Array.of(0xc0 | tags.literal));
    this.#literal.write(Uint8Array.of(0x62, 0, 0, 0, 0, 0)); // binary, a name of no bytes, no time
  }

  get bytesPending(): number {
    if (this.#ended) return 0;
    const headBytes = this.bytesOut > 0 ? 0 : this.#head.length;
    const compressedBytes = this.#deflate.bytesPending(this.#literal.bytesPending);
    const bodyBytes = compressedBytes + this.#protection.bytesPending + this.#protected.bytesPending;
    return headBytes + bodyBytes + Math.ceil(bodyBytes / PART_BYTES);
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#literal.write(bytes);
  }

  /** Counted from behind the prefix: in the packets that are encrypted. */
  get accessPoints(): number[] {
    return this.#deflate.freshStarts.map((start) => COMPRESSED_HEAD_BYTES + start);
  }

  async beginAccessPoint(): Promise<void> {
    // The file goes on with the length of a part, so that a reader need not know how much of one was left.
    await this.#literal.flush();
    if (!this.#literal.isAtPart) throw new Error('an access point needs more before it');
    await this.#deflate.beginFresh();
  }

  async settle(): Promise<void> {
    await this.#literal.flush();
    await this.#deflate.flush();
    await this.#protection.flush();
    await this.#protected.flush();
  }

  async finish(): Promise<void> {
    await this.#literal.finish();
    await this.#deflate.finish();
    await this.#protection.finish();
    await this.#protected.finish();
    this.#ended = true;
  }

  abort(): Promise<void> {
    this.#ended = true;
    return this.#deflate.abort();
  }

  #emit(piece: Uint8Array): void | Promise<void> {
    const whole = this.bytesOut > 0 ? piece : Buffer.concat([this.#head, piece]);
    this.bytesOut += whole.length;
    return this.#output(whole);
  }
}
