import { deflateRawSync, deflateSync } from 'node:zlib';
import { Secret } from '../../../src/base/secret.js';
import { zlibCompressor } from '../../../src/seal/deflate.js';
import { AES256 } from '../../../src/seal/library/algorithms.js';
import {
  type LengthForm,
  literal,
  packet,
  protectedPacket,
  simpleKey,
  simplePassphrase,
  unprotectedPacket,
} from '../../../src/seal/library/handmade-packets.js';
import {
  checkMessage,
  fileKey,
  keysFit,
  openMessage,
  wrappedKeyOf,
} from '../../../src/seal/library/message.js';
import { PassphraseKeys } from '../../../src/seal/library/s2k.js';
import { newRunKey, PassphraseWriter } from '../../../src/seal/library/writer.js';
import { TrialFolder } from '../folder.js';
import { type Mutation, replaced } from '../mutate.js';
import type { Random } from '../random.js';
import { sample } from '../samples.js';
import { about, drain, type FuzzTarget, tagged } from '../target.js';

const passphrase = 'pw';
const folder = new TrialFolder();
/** A derivation costs more than all the rest of a case. */
let keys = new PassphraseKeys(new Secret(passphrase));

const fromGnupg = 'zip zlib none bzip2 cast5 armor signed key key-and-pass unprotected'
  .split(' ')
  .map((name) => `gpg-${name}.gpg`);
const forms: LengthForm[] = ['new', 'five bytes', 'old', 'old long', 'endless', 'parts'];
const text = Buffer.from('some text, and more of it. '.repeat(40));

async function open(message: Buffer, random: Random): Promise<string> {
  const path = folder.stored('message', message);
  if (random.oneIn(60)) keys = new PassphraseKeys(new Secret(passphrase));
  const given = random.oneIn(20) ? undefined : random.oneIn(6) ? sessionKey : keys;
  if (random.oneIn(3)) await unwrap(path);
  if (random.oneIn(4)) await keysFit(path, 'the message', keys);
  const isWhole = random.oneIn(3) && (await checkMessage(path, 'the message', given));
  const known = isWhole ? 'whole' : random.oneIn(3) ? 'stored' : 'nothing';
  const opened = await openMessage(path, 'the message', given, known);
  if (!('bytes' in opened)) return `closed ${opened.beyond} ${opened.isProtected}`;
  if (!random.oneIn(16)) return `${opened.kind} ${about(await drain(opened.bytes))}`;
  for await (const _ of opened.bytes) break;
  return 'left early';
}

const sessionKey = { blockCipher: 'aes-256-ecb', key: simpleKey(passphrase) };

/** What would be given to gpg for the session key is a message of the same kind, and small. */
async function unwrap(path: string): Promise<void> {
  const wrappedKey = await wrappedKeyOf(path, 'the message', undefined);
  if (wrappedKey === undefined) return;
  if (wrappedKey.length > 1024 * 1024) throw new Error('a large head');
  const again = await wrappedKeyOf(folder.stored('head', wrappedKey), 'the head', undefined);
  if (again === undefined || !wrappedKey.every((byte, i) => byte === again[i]))
    throw new Error('another head');
  await fileKey(path, 'the message', sessionKey);
}

/** Puts a packet header with an odd length somewhere. */
const packetHeader: Mutation = (bytes, random) => {
  const tag = random.pick([1, 2, 3, 4, 8, 9, 10, 11, 18, 19, 20, 21, random.below(64)]);
  const lengths = [
    '00',
    '01',
    'bf',
    'c000',
    'dfff',
    'e0',
    'e9',
    'f4',
    'fe',
    'ff00000000',
    'ffffffffff',
    'ff00010000',
  ];
  const head = random.oneIn(2)
    ? Buffer.concat([Buffer.of(0xc0 | tag), Buffer.from(random.pick(lengths), 'hex')])
    : Buffer.concat([
        Buffer.of(0x80 | ((tag & 15) << 2) | random.below(4)),
        Buffer.from(random.pick(['00', '0100', '7fffffff', 'ffffffff', '05']), 'hex'),
      ]);
  const at = random.oneIn(2) ? 0 : random.below(bytes.length + 1);
  return replaced(bytes, at, random.oneIn(2) ? at : Math.min(bytes.length, at + head.length), head);
};

/** The packets of the first message again, as many recipients have them. */
const moreSlots: Mutation = (bytes, random) => {
  const slot = Buffer.concat([
    Buffer.of(
      0x8c,
      13,
      4,
      random.pick([2, 7, 8, 9, 10, 99]),
      random.pick([0, 1, 2, 3, 100]),
      random.below(12),
    ),
    Buffer.alloc(8, random.below(256)),
    Buffer.of(random.oneIn(50) ? 0xff : random.below(0x80)),
  ]);
  const times = random.size(40);
  return Buffer.concat([...Array<Buffer>(times).fill(slot), bytes]);
};

/** Encrypted messages as they are stored. */
export const openpgp: FuzzTarget = {
  async samples() {
    const key = simpleKey(passphrase);
    const slot = simplePassphrase(AES256);
    const handmade = forms.flatMap((form) => [
      Buffer.concat([slot, protectedPacket(literal(text), key, form)]),
      Buffer.concat([slot, unprotectedPacket(literal(text), key, form)]),
      Buffer.concat([packet(1, Buffer.alloc(140, 5)), protectedPacket(literal(text), key, form)]),
    ]);
    return [...fromGnupg.map(sample), ...handmade, await ownMessage()];
  },
  mutations: [packetHeader, moreSlots],
  run: open,
  close: () => folder.remove(),
};

/** What lies behind the encryption: packets, in an encryption and a compression that hold. The first byte says which. */
export const openpgpInside: FuzzTarget = {
  samples() {
    const plain = forms.map((form) => literal(text, form));
    const signed = Buffer.concat([
      packet(4, Buffer.alloc(13, 3)),
      literal(text),
      packet(2, Buffer.alloc(70, 4)),
    ]);
    const inside = [
      ...plain,
      signed,
      packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(literal(text))]), 'endless'),
      packet(8, Buffer.concat([Buffer.of(2), deflateSync(literal(text))])),
      packet(8, Buffer.concat([Buffer.of(0), literal(text)])),
      packet(8, Buffer.concat([Buffer.of(3), text])),
      Buffer.concat([packet(10, Buffer.from('PGP')), packet(21, Buffer.alloc(30)), literal(text)]),
    ];
    return inside.flatMap((bytes) => [0, 1, 2, 4].map((way) => tagged(way, bytes)));
  },
  mutations: [packetHeader],
  run(bytes, random) {
    const way = bytes[0] ?? 0;
    let inside = bytes.subarray(1);
    for (let layers = (way >> 2) & 3; layers > 0; layers--) {
      const packed = random.oneIn(2)
        ? [Buffer.of(1), deflateRawSync(inside)]
        : [Buffer.of(2), deflateSync(inside), random.oneIn(2) ? text : Buffer.alloc(0)];
      inside = packet(8, Buffer.concat(packed), random.pick(forms));
    }
    const key = simpleKey(passphrase);
    const seal = (way & 3) === 1 ? unprotectedPacket : protectedPacket;
    const rest =
      (way & 3) === 2 ? random.pick([text, Buffer.alloc(1), sample('gpg-zip.gpg')]) : Buffer.alloc(0);
    return open(
      Buffer.concat([simplePassphrase(AES256), seal(inside, key, random.pick(forms)), rest]),
      random,
    );
  },
  close: () => folder.remove(),
};

/** A message of our own writer. */
async function ownMessage(): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const compressor = zlibCompressor(6);
  const writer = new PassphraseWriter((piece) => void pieces.push(Buffer.from(piece)), newRunKey(keys), {
    compressor,
  });
  await writer.write(text);
  await writer.finish();
  return Buffer.concat(pieces);
}
