import { ciphers } from './algorithms.js';
import { BLOCK_BYTES, codeBook, decryptCfb } from './cfb.js';
import { PREFIX_BYTES } from './protect.js';
import { type PassphraseKeys, parseS2k, type S2k } from './s2k.js';

/** A key for the data of a message. */
export interface SessionKey {
  /** The block cipher in node's words. */
  blockCipher: string;
  key: Uint8Array;
  /** How it came from the passphrase, where it is the derived key itself. */
  s2k?: S2k;
}

/** One way in by passphrase: session key packet, tag 3, version 4. */
export interface PassphraseSlot {
  cipher: number;
  s2k: S2k;
  /** Empty where the derived key is the session key itself. */
  encryptedKey: Uint8Array;
}

/** Returns the slot that a packet holds, or why the library cannot use it. */
export function parsePassphraseSlot(bytes: Uint8Array): PassphraseSlot | string {
  const [version, cipher = -1] = bytes;
  if (version !== 4) return `a passphrase packet of version ${version}`;
  if (ciphers[cipher]?.blockCipher === undefined) return cipherName(cipher);
  const s2k = parseS2k(bytes.subarray(2));
  if (typeof s2k === 'string') return s2k;
  return { cipher, s2k, encryptedKey: bytes.slice(2 + s2k.sizeBytes) };
}

/**
 * The key that the slot gives for a passphrase. A wrong passphrase gives a wrong key, undefined, or by chance the name
 * of a cipher that the library does not have.
 */
export function unlock(slot: PassphraseSlot, keys: PassphraseKeys): SessionKey | string | undefined {
  const slotCipher = ciphers[slot.cipher]!;
  const key = keys.derive(slot.s2k, slotCipher.keyBytes);
  if (slot.encryptedKey.length === 0) return { blockCipher: slotCipher.blockCipher!, key, s2k: slot.s2k };

  const frame = Buffer.concat([Buffer.alloc(BLOCK_BYTES), slot.encryptedKey]);
  const [number = -1, ...sessionKey] = decryptCfb(codeBook(slotCipher.blockCipher!, key), frame);
  const cipher = ciphers[number];
  if (cipher?.keyBytes !== sessionKey.length) return undefined;
  if (cipher.blockCipher === undefined) return cipherName(number);
  return { blockCipher: cipher.blockCipher, key: Uint8Array.from(sessionKey) };
}

/** A session key as gpg tells it: the cipher's number and the key in hexadecimal. Undefined where the library has not that
 *  cipher. */
export function parseSessionKey(text: string): SessionKey | undefined {
  const [, number, digits] = /^(\d+):((?:[0-9a-f]{2})+)$/i.exec(text) ?? [];
  if (number === undefined || digits === undefined) return undefined;
  const cipher = ciphers[Number(number)];
  const key = Buffer.from(digits, 'hex');
  if (cipher?.blockCipher === undefined || key.length !== cipher.keyBytes) return undefined;
  return { blockCipher: cipher.blockCipher, key: Uint8Array.from(key) };
}

/** Whether the key fits the encrypted prefix of the data: wrong ones do by chance, 1 in 65,536. */
export function fitsPrefix(sessionKey: SessionKey, prefix: Uint8Array): boolean {
  const book = codeBook(sessionKey.blockCipher, sessionKey.key);
  const plain = decryptCfb(book, Buffer.concat([Buffer.alloc(BLOCK_BYTES), prefix]));
  return plain[BLOCK_BYTES - 2] === plain[BLOCK_BYTES] && plain[BLOCK_BYTES - 1] === plain[PREFIX_BYTES - 1];
}

function cipherName(number: number): string {
  return `the cipher ${ciphers[number]?.name ?? `number ${number}`}`;
}
