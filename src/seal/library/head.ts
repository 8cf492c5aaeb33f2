import { TundraError } from '../../base/errors.js';
import type { ByteReader } from '../byte-reader.js';
import { type PacketBody, PacketReader, readByte, tags } from './packets.js';
import { PREFIX_BYTES } from './protect.js';
import { decodeCount } from './s2k.js';
import { type PassphraseSlot, readPassphraseSlot } from './session-keys.js';

/** More ways into a message than anyone makes: each may cost a slow key derivation. */
const MOST_SLOTS = 32;
/** And so much of it: four of the slowest take some seconds. */
const MOST_DERIVED_BYTES = 4 * decodeCount(0xff);

/** A message up to its encrypted data. */
export interface MessageHead {
  /** Ways in by passphrase that the library knows. */
  slots: PassphraseSlot[];
  /** Ways in that need the gpg program, and why. */
  otherWays: string[];
  /** Why the data needs the gpg program, whatever the way in. */
  beyond: string | undefined;
  /** False for the old kind of encrypted data without an integrity check. */
  isProtected: boolean;
  /** The encrypted prefix; empty where the data is beyond the library. */
  prefix: Uint8Array;
  /** What follows the prefix. */
  body: PacketBody;
}

/** Reads a message up to its data. Errors: TundraError `format`. */
export async function readHead(source: ByteReader): Promise<MessageHead> {
  const packets = new PacketReader(source);
  const slots: PassphraseSlot[] = [];
  const otherWays: string[] = [];
  let derivedBytes = 0;
  for (;;) {
    const packet = await packets.next();
    if (packet === undefined) throw new TundraError('format', 'it is cut short');
    const { tag, body } = packet;
    if (tag === tags.passphraseSessionKey) {
      const slot = await readPassphraseSlot(body);
      if (typeof slot === 'string') otherWays.push(slot);
      else {
        slots.push(slot);
        derivedBytes += slot.s2k.countBytes;
      }
    } else if (tag === tags.publicKeySessionKey) {
      otherWays.push('a public key');
    } else if (tag === tags.encrypted || tag === tags.protected || tag === tags.authenticated) {
      return { slots, otherWays, ...(await readData(tag, body)) };
    } else if (tag !== tags.marker && tag !== tags.padding) {
      throw new TundraError('format', 'it is not encrypted');
    }
    if (slots.length + otherWays.length > MOST_SLOTS) {
      throw new TundraError('format', `it has more than ${MOST_SLOTS} recipients`);
    }
    if (derivedBytes > MOST_DERIVED_BYTES) {
      throw new TundraError(
        'format',
        'it would take too long to try all the passphrases that it is encrypted with',
      );
    }
  }
}

async function readData(
  tag: number,
  body: PacketBody,
): Promise<Pick<MessageHead, 'beyond' | 'isProtected' | 'prefix' | 'body'>> {
  const isProtected = tag !== tags.encrypted;
  if (tag === tags.authenticated) return { beyond: 'OCB mode', isProtected, prefix: new Uint8Array(0), body };
  const version = isProtected ? await readByte(body) : 1;
  if (version !== 1) {
    return { beyond: `encryption of version ${version}`, isProtected, prefix: new Uint8Array(0), body };
  }
  const prefix = new Uint8Array(PREFIX_BYTES);
  if ((await body.read(prefix)) < PREFIX_BYTES) throw new TundraError('format', 'it is cut short');
  return { beyond: undefined, isProtected, prefix, body };
}
