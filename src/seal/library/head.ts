import { TundraError } from '../../base/errors.js';
import type { ByteReader } from '../byte-reader.js';
import { type PacketBody, PacketReader, readByte, tags } from './packets.js';
import { encodeLength } from './partial-body.js';
import { INTEGRITY_BYTES, PREFIX_BYTES } from './protect.js';
import { decodeCount } from './s2k.js';
import { type PassphraseSlot, parsePassphraseSlot } from './session-keys.js';

/** More ways into a message than anyone makes: each may cost a slow key derivation. */
const MOST_SLOTS = 32;
/** And so much of it: four of the slowest take some seconds. */
const MOST_DERIVED_BYTES = 4 * decodeCount(0xff);
const PASSPHRASE_PACKET_BYTES = 1024;
/** The largest RSA keys have 2 KiB. */
const PUBLIC_KEY_PACKET_BYTES = 16 * 1024;

/** A message up to its encrypted data. */
export interface MessageHead {
  /** Ways in by passphrase that the library knows. */
  slots: PassphraseSlot[];
  /** Ways in that need the gpg program, and why. */
  otherWays: string[];
  /** The session key packets, whole and in their order, if one of them is for a public key. */
  keyPackets: Uint8Array[];
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
  const keyPackets: Uint8Array[] = [];
  let isToKeys = false;
  let derivedBytes = 0;
  for (;;) {
    const packet = await packets.next();
    if (packet === undefined) throw new TundraError('format', 'it is cut short');
    const { tag, body } = packet;
    if (tag === tags.passphraseSessionKey) {
      const bytes = await body.collect(PASSPHRASE_PACKET_BYTES);
      keyPackets.push(packetOf(tag, bytes));
      const slot = parsePassphraseSlot(bytes);
      if (typeof slot === 'string') otherWays.push(slot);
      else {
        slots.push(slot);
        derivedBytes += slot.s2k.countBytes;
      }
    } else if (tag === tags.publicKeySessionKey) {
      keyPackets.push(packetOf(tag, await body.collect(PUBLIC_KEY_PACKET_BYTES)));
      isToKeys = true;
      otherWays.push('a public key');
    } else if (tag === tags.encrypted || tag === tags.protected || tag === tags.authenticated) {
      const data = await readData(tag, body);
      return { slots, otherWays, keyPackets: isToKeys ? keyPackets : [], ...data };
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

/**
 * A message of the same keys whose data is the prefix alone, and the room of an integrity packet: so much gpg has to see
 * before it takes the session key out. Undefined where the message is to no public key, or where the library cannot use
 * its session key.
 */
export function withoutContent(head: MessageHead): Uint8Array | undefined {
  if (head.keyPackets.length === 0 || head.beyond !== undefined || !head.isProtected) return undefined;
  const data = Buffer.concat([Buffer.of(1), head.prefix, Buffer.alloc(INTEGRITY_BYTES)]);
  return Buffer.concat([...head.keyPackets, packetOf(tags.protected, data)]);
}

function packetOf(tag: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(0xc0 | tag), encodeLength(body.length), body]);
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
