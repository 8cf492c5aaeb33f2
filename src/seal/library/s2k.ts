import { createHash, getHashes } from 'node:crypto';
import { TundraError } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import { hashes } from './algorithms.js';

/*
 * How a passphrase becomes a key (RFC 4880, section 3.7)
 *
 * | offset | size | meaning                                    |
 * |--------|------|--------------------------------------------|
 * | 0      | 1    | mode: 0 simple, 1 salted, 3 iterated       |
 * | 1      | 1    | hash                                       |
 * | 2      | 8    | salt (modes 1 and 3)                       |
 * | 10     | 1    | coded count of hashed bytes (mode 3)       |
 */
export interface S2k {
  hash: string;
  salt: Uint8Array;
  /** Bytes to hash at least; salt and passphrase are hashed once whole in any case. */
  countBytes: number;
  /** Length of what `parseS2k` read. */
  sizeBytes: number;
}

/** Returns what it read, or why the library cannot derive a key from it. Error: TundraError `format` when cut short. */
export function parseS2k(bytes: Uint8Array): S2k | string {
  const [mode, hashNumber] = bytes;
  const sizeBytes = { 0: 2, 1: 10, 3: 11 }[mode ?? -1];
  if (sizeBytes === undefined) return `a key derivation of kind ${mode}`;
  if (hashNumber === undefined || bytes.length < sizeBytes) {
    throw new TundraError('format', 'its key derivation is cut short');
  }
  const hash = hashes[hashNumber];
  if (hash === undefined || !getHashes().includes(hash)) return `the hash ${hash ?? `number ${hashNumber}`}`;
  const salt = mode === 0 ? new Uint8Array(0) : bytes.slice(2, 10);
  return { hash, salt, countBytes: mode === 3 ? decodeCount(bytes[10]!) : 0, sizeBytes };
}

/** One byte says 1024 to 65,011,712. */
export function decodeCount(coded: number): number {
  return (16 + (coded & 15)) << ((coded >> 4) + 6);
}

/** The bytes that gpg would take from a passphrase: what comes before the first line end. */
export function passphraseBytes(passphrase: Secret): Buffer {
  const bytes = Buffer.from(passphrase.reveal(), 'utf8');
  const end = bytes.indexOf(0x0a);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

export function deriveKey(s2k: S2k, passphrase: Uint8Array, keyBytes: number): Buffer {
  const unit = Buffer.concat([s2k.salt, passphrase]);
  const totalBytes = Math.max(s2k.countBytes, unit.length);
  // Hashing many repetitions at a time: a call costs more than the hash of a short passphrase.
  const block = Buffer.concat(Array(Math.ceil(65536 / Math.max(1, unit.length))).fill(unit));
  const parts: Buffer[] = [];
  for (let derivedBytes = 0; derivedBytes < keyBytes; ) {
    // Each further part of a key that is longer than the hash begins with one more zero byte.
    const hash = createHash(s2k.hash).update(new Uint8Array(parts.length));
    for (let left = totalBytes; left > 0; left -= block.length) {
      hash.update(left < block.length ? block.subarray(0, left) : block);
    }
    const part = hash.digest();
    parts.push(part);
    derivedBytes += part.length;
  }
  return Buffer.concat(parts).subarray(0, keyBytes);
}

/** A passphrase and the keys that were derived from it in this run: a derivation is slow on purpose. */
export class PassphraseKeys {
  readonly #passphrase: Secret;
  readonly #keys = new Map<string, Buffer>();
  /** A derivation whose key opened a message that is whole: its salt is one that an owner of the passphrase chose. */
  proven: S2k | undefined;

  constructor(passphrase: Secret) {
    this.#passphrase = passphrase;
  }

  derive(s2k: S2k, keyBytes: number): Buffer {
    const name = [s2k.hash, s2k.countBytes, keyBytes, Buffer.from(s2k.salt).toString('hex')].join(' ');
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = deriveKey(s2k, passphraseBytes(this.#passphrase), keyBytes);
      if (this.#keys.size >= 4096) this.#keys.clear();
      this.#keys.set(name, key);
    }
    return key;
  }
}
