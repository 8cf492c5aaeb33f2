import { createCipheriv, createHash } from 'node:crypto';
import { encodeLength } from './partial-body.js';

/*
 * OpenPGP packets made byte by byte, after the RFC alone, for the tests of the reader: among them forms that gpg no
 * longer writes.
 */

export type LengthForm = 'new' | 'five bytes' | 'old' | 'old long' | 'endless' | 'parts';

export function packet(tag: number, body: Uint8Array, form: LengthForm = 'new'): Buffer {
  const oldTag = 0x80 | (tag << 2);
  switch (form) {
    case 'new':
      return Buffer.concat([Buffer.of(0xc0 | tag), encodeLength(body.length), body]);
    case 'five bytes':
      return Buffer.concat([Buffer.of(0xc0 | tag, 255), uint32(body.length), body]);
    case 'old':
      if (body.length < 256) return Buffer.concat([Buffer.of(oldTag, body.length), body]);
      return Buffer.concat([Buffer.of(oldTag | 1, body.length >> 8, body.length & 255), body]);
    case 'old long':
      return Buffer.concat([Buffer.of(oldTag | 2), uint32(body.length), body]);
    case 'endless':
      return Buffer.concat([Buffer.of(oldTag | 3), body]);
    case 'parts':
      return Buffer.concat([Buffer.of(0xc0 | tag), ...parts(body)]);
  }
}

/** Parts of 512, 1, 2, 1024, 1, 2, ... bytes. */
function* parts(body: Uint8Array): Generator<Uint8Array> {
  let rest = body;
  for (let i = 0; ; i++) {
    const exponent = [9, 0, 1, 10][i % 4]!;
    if (rest.length < 2 ** exponent) break;
    yield Buffer.of(0xe0 | exponent);
    yield rest.subarray(0, 2 ** exponent);
    rest = rest.subarray(2 ** exponent);
  }
  yield encodeLength(rest.length);
  yield rest;
}

export function literal(plain: Uint8Array, form: LengthForm = 'new', name = ''): Buffer {
  return packet(11, Buffer.concat([Buffer.of(0x62, name.length), Buffer.from(name), uint32(0), plain]), form);
}

/** A passphrase packet whose derived key, a plain hash of the passphrase, is the session key. */
export function simplePassphrase(cipher: number): Buffer {
  return packet(3, Buffer.of(4, cipher, 0, 8));
}

export function simpleKey(passphrase: string): Buffer {
  return createHash('sha256').update(passphrase).digest();
}

const prefix = Buffer.from('0123456789abcdefef');

/** Protected data, version 1. */
export function protectedPacket(inside: Uint8Array, key: Uint8Array, form: LengthForm = 'new'): Buffer {
  const text = Buffer.concat([prefix, inside, Buffer.of(0xd3, 20)]);
  const digest = createHash('sha1').update(text).digest();
  const sealed = encrypt(key, Buffer.alloc(16), Buffer.concat([text, digest]));
  return packet(18, Buffer.concat([Buffer.of(1), sealed]), form);
}

/** Encrypted data of the old kind: no integrity check, feedback begun anew after the prefix. */
export function unprotectedPacket(inside: Uint8Array, key: Uint8Array, form: LengthForm = 'new'): Buffer {
  const start = encrypt(key, Buffer.alloc(16), prefix);
  return packet(9, Buffer.concat([start, encrypt(key, start.subarray(2), inside)]), form);
}

function encrypt(key: Uint8Array, feedback: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cfb`, key, feedback);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}
