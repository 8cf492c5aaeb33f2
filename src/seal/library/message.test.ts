import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { deflateRawSync, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { collectBytes } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { zlibCompressor } from '../deflate.js';
import {
  type LengthForm,
  literal,
  packet,
  protectedPacket,
  simpleKey,
  simplePassphrase,
  unprotectedPacket,
} from './handmade-packets.js';
import { keysFit, openMessage } from './message.js';
import { PassphraseKeys } from './s2k.js';
import { newRunKey, PassphraseWriter } from './writer.js';

const folder = mkdtempSync(join(tmpdir(), 'tundra-message-'));
after(() => rmSync(folder, { recursive: true }));

const AES256 = 9;
const keys = new PassphraseKeys(new Secret('pass words'));
const key = simpleKey('pass words');
const text = Buffer.from(Array.from({ length: 3000 }, (_, i) => `line ${(i * 7919) % 9973}\n`).join(''));

function stored(bytes: Uint8Array): string {
  const path = join(folder, 'message.gpg');
  writeFileSync(path, bytes);
  return path;
}

/** Opens and reads a message; what was let out before an error is in `letOut`. */
async function read(bytes: Uint8Array, letOut: Uint8Array[] = []): Promise<Buffer> {
  const message = await openMessage(stored(bytes), 'x.gpg', keys);
  assert.ok('bytes' in message, `beyond the library: ${'beyond' in message && message.beyond}`);
  for await (const piece of message.bytes) letOut.push(Uint8Array.from(piece));
  return Buffer.concat(letOut);
}

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TundraError, String(error));
    assert.equal(error.code, 'encryption');
    assert.match(error.message, pattern);
    assert.match(error.message, /x\.gpg/);
    assert.ok(error.advice);
    return true;
  };
}

const message = (inside: Uint8Array, form: LengthForm = 'new') =>
  Buffer.concat([simplePassphrase(AES256), protectedPacket(inside, key, form)]);

suite('reading messages', () => {
  test('every kind of framing and compression inside', async () => {
    const deflated = (form: LengthForm) => {
      const inside = literal(text, form);
      return [
        inside,
        packet(8, Buffer.concat([Buffer.of(0), inside]), 'parts'),
        packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(inside)]), 'endless'),
        packet(8, Buffer.concat([Buffer.of(2), deflateSync(inside)]), 'old long'),
        packet(
          8,
          Buffer.concat([
            Buffer.of(1),
            deflateRawSync(packet(8, Buffer.concat([Buffer.of(2), deflateSync(inside)]))),
          ]),
        ),
      ];
    };
    for (const form of ['new', 'five bytes', 'old', 'old long', 'endless', 'parts'] as const) {
      for (const inside of deflated(form)) assert.deepEqual(await read(message(inside, 'parts')), text);
    }
    for (const form of ['new', 'five bytes', 'parts'] as const) {
      assert.deepEqual(await read(message(literal(text), form)), text);
    }
  });

  test('markers, names and signatures around the file', async () => {
    const marker = packet(10, Buffer.from('PGP'));
    const named = literal(text, 'parts', 'some name');
    assert.deepEqual(await read(Buffer.concat([marker, message(Buffer.concat([marker, named]))])), text);

    const signed = Buffer.concat([packet(4, Buffer.alloc(13)), literal(text), packet(2, Buffer.alloc(70))]);
    const path = stored(message(packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(signed)]), 'endless')));
    const opened = await openMessage(path, 'x.gpg', keys);
    assert.ok('bytes' in opened);
    assert.equal(opened.kind, 'signed file');
    assert.deepEqual(await collectBytes(opened.bytes, 1e6), text);
  });

  test('the old kind without integrity check', async () => {
    for (const size of [0, 1, 15, 16, 17, 60_000]) {
      const plain = Buffer.alloc(size, text);
      const inside = packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(literal(plain))]), 'endless');
      const file = Buffer.concat([simplePassphrase(AES256), unprotectedPacket(inside, key, 'old long')]);
      const opened = await openMessage(stored(file), 'x.gpg', keys);
      assert.ok('bytes' in opened);
      assert.equal(opened.isProtected, false);
      assert.deepEqual(await collectBytes(opened.bytes, 1e6), plain);
    }
  });

  test('protected data whose check was taken away is refused', async () => {
    const inside = Buffer.concat([literal(text), Buffer.of(0xd3, 20), Buffer.alloc(20)]);
    const file = Buffer.concat([simplePassphrase(AES256), unprotectedPacket(inside, key)]);
    await assert.rejects(read(file), refused(/integrity check was taken away/));
  });

  test('several passphrase packets: one that fits is enough', async () => {
    const other = packet(3, Buffer.concat([Buffer.of(4, 9, 3, 10), Buffer.alloc(8, 1), Buffer.of(0x20)]));
    const withEncryptedKey = packet(
      3,
      Buffer.concat([Buffer.of(4, 7, 3, 2), Buffer.alloc(8, 2), Buffer.of(0), Buffer.alloc(33, 3)]),
    );
    const data = protectedPacket(literal(text), key);
    for (const slots of [
      [other, simplePassphrase(AES256)],
      [simplePassphrase(AES256), other],
      [withEncryptedKey, simplePassphrase(AES256)],
    ]) {
      assert.deepEqual(await read(Buffer.concat([...slots, packet(1, Buffer.alloc(40)), data])), text);
    }
    await assert.rejects(
      read(Buffer.concat([other, withEncryptedKey, data])),
      refused(/passphrase does not open/),
    );
  });

  test('what only gpg can open is named', async () => {
    const beyond = async (file: Uint8Array) => {
      const opened = await openMessage(stored(file), 'x.gpg', keys);
      return 'beyond' in opened ? opened.beyond : opened.kind;
    };
    const data = protectedPacket(literal(text), key);
    assert.equal(await beyond(Buffer.concat([packet(1, Buffer.alloc(40)), data])), 'a public key');
    assert.equal(await beyond(Buffer.concat([simplePassphrase(3), data])), 'the cipher CAST5');
    assert.equal(
      await beyond(Buffer.concat([packet(3, Buffer.of(5, 9, 2, 3)), data])),
      'a passphrase packet of version 5',
    );
    assert.equal(
      await beyond(Buffer.concat([simplePassphrase(9), packet(20, Buffer.alloc(99))])),
      'OCB mode',
    );
    assert.equal(
      await beyond(Buffer.concat([simplePassphrase(9), packet(18, Buffer.alloc(99, 2))])),
      'encryption of version 2',
    );
    assert.equal(await beyond(message(packet(8, Buffer.from('\x03BZh9')))), 'BZIP2 compression');
    assert.equal(await beyond(Buffer.from('-----BEGIN PGP MESSAGE-----\n')), 'ASCII armor');
  });

  test('what is no encrypted message is refused', async () => {
    await assert.rejects(read(Buffer.alloc(0)), refused(/cut short/));
    await assert.rejects(read(text), refused(/not an OpenPGP message/));
    await assert.rejects(read(literal(text)), refused(/not encrypted/));
    await assert.rejects(read(simplePassphrase(9)), refused(/cut short/));
    await assert.rejects(read(message(packet(8, Buffer.of(9, 1, 2)))), refused(/unknown compression/));
    await assert.rejects(read(message(packet(13, Buffer.of(9, 1, 2)))), refused(/stray packet, tag 13/));
    await assert.rejects(read(message(Buffer.alloc(0))), refused(/no file/));
    await assert.rejects(
      read(message(Buffer.concat([literal(text), literal(text)]))),
      refused(/stray packet, tag 11/),
    );
    await assert.rejects(read(message(literal(text).subarray(0, 100))), refused(/cut short/));
    await assert.rejects(
      read(message(packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(literal(text)).subarray(0, 99)])))),
      refused(/compressed data is damaged/),
    );
    const slots = Array.from({ length: 40 }, () => simplePassphrase(AES256));
    await assert.rejects(
      read(Buffer.concat([...slots, protectedPacket(literal(text), key)])),
      refused(/more than 32/),
    );
  });

  test('layers without end are refused', async () => {
    let inside = literal(text);
    for (let i = 0; i < 30; i++) inside = packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(inside)]));
    await assert.rejects(read(message(inside)), refused(/layers/));
  });

  test('a wrong passphrase is told from damage, and by chance fitting bytes do not help it', async () => {
    const wrong = new PassphraseKeys(new Secret('guess'));
    const file = message(literal(text));
    await assert.rejects(openMessage(stored(file), 'x.gpg', wrong), refused(/passphrase does not open/));
    assert.equal(await keysFit(stored(file), 'x.gpg', wrong), false);
    assert.equal(await keysFit(stored(file), 'x.gpg', keys), true);
    assert.equal(
      await keysFit(
        stored(Buffer.concat([packet(1, Buffer.alloc(9)), protectedPacket(text, key)])),
        'x.gpg',
        wrong,
      ),
      undefined,
    );

    // Passphrase packet 6, tag and length 6, version 1, prefix 18. The right prefix before data that another key encrypted is what a guess that fits by chance looks like.
    const lucky = Buffer.concat([file.subarray(0, 31), randomBytes(file.length - 31)]);
    await assert.rejects(read(lucky), refused(/cannot be trusted/));
  });
});

suite('writing messages', () => {
  const runKey = newRunKey(keys);

  async function write(plain: Uint8Array, pieceBytes: number, settleAt = -1): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    const writer = new PassphraseWriter((piece) => void pieces.push(piece), runKey, {
      compressor: zlibCompressor(1),
    });
    let bound = 0;
    for (let offset = 0; offset < plain.length; offset += pieceBytes) {
      await writer.write(plain.subarray(offset, offset + pieceBytes));
      bound = writer.bytesOut + writer.bytesPending;
      if (offset >= settleAt && offset - pieceBytes < settleAt) {
        await writer.settle();
        assert.ok(writer.bytesPending < 2000, `${writer.bytesPending} pending after settle`);
        assert.ok(writer.bytesOut + writer.bytesPending <= bound + 64);
        bound = writer.bytesOut + writer.bytesPending;
      }
    }
    bound = writer.bytesOut + writer.bytesPending;
    await writer.finish();
    const file = Buffer.concat(pieces);
    assert.equal(file.length, writer.bytesOut);
    assert.ok(file.length <= bound, `${file.length} bytes, bound ${bound}`);
    assert.equal(writer.bytesPending, 0);
    return file;
  }

  test('what is written is read back, in any pieces, settled or not', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.nat(2000), fc.nat(200_000)),
        fc.constantFrom(3, 512, 10_240, 65_536, 300_000),
        fc.nat(200_000),
        fc.boolean(),
        async (size, pieceBytes, settleAt, isNoise) => {
          const plain = isNoise ? randomBytes(size) : Buffer.alloc(size, text);
          assert.deepEqual(await read(await write(plain, Math.max(pieceBytes, size >> 8), settleAt)), plain);
        },
      ),
      { numRuns: 40 },
    ));

  test('a message may have many passphrases, unless it takes too long to try them', async () => {
    const slot = (count: number) =>
      packet(3, Buffer.concat([Buffer.of(4, AES256, 3, 3), Buffer.alloc(8), Buffer.of(count)]));
    const many = (count: number, times: number) =>
      Buffer.concat([...Array<Buffer>(times).fill(slot(count)), message(literal(text))]);
    assert.deepEqual(await read(many(0, 30)), text);
    await assert.rejects(read(many(0, 40)), refused(/more than 32 recipients/));
    await assert.rejects(read(many(0xff, 5)), refused(/too long to try/));
  });

  test('two messages of a run share the salt and nothing else', async () => {
    const one = await write(text, 1000);
    const two = await write(text, 1000);
    assert.deepEqual(one.subarray(0, 15), two.subarray(0, 15));
    assert.notDeepEqual(one.subarray(18, 34), two.subarray(18, 34));
  });

  test('a message that was altered or cut anywhere gives an error and no plaintext', async () => {
    const file = await write(text.subarray(0, 700), 700);
    for (let position = 0; position < file.length; position++) {
      for (const flip of [0x01, 0x5a]) {
        const altered = Buffer.from(file);
        altered[position]! ^= flip;
        const letOut: Uint8Array[] = [];
        // A salt that changed costs a slow derivation, and what holds for one of its bits holds for all.
        if (position > 4 && position < 15 && flip !== 0x01) continue;
        await assert.rejects(
          async () => {
            const opened = await openMessage(stored(altered), 'x.gpg', keys);
            if ('beyond' in opened) throw refusedByLibrary(opened.beyond);
            for await (const piece of opened.bytes) letOut.push(piece);
          },
          { name: 'TundraError', code: 'encryption' },
          `byte ${position} ^ ${flip}`,
        );
        assert.equal(letOut.length, 0);
      }
      const letOut: Uint8Array[] = [];
      await assert.rejects(
        read(file.subarray(0, position), letOut),
        { code: 'encryption' },
        `cut at ${position}`,
      );
      assert.equal(letOut.length, 0);
    }
  });

  test('large messages are checked whole before anything is let out', async () => {
    const file = await write(randomBytes(9 * 1024 * 1024), 65_536);
    assert.equal((await read(file)).length, 9 * 1024 * 1024);
    for (const position of [100, file.length >> 1, file.length - 30, file.length - 1]) {
      const altered = Buffer.from(file);
      altered[position]! ^= 4;
      const letOut: Uint8Array[] = [];
      await assert.rejects(read(altered, letOut), refused(/cannot be trusted/));
      await assert.rejects(read(file.subarray(0, position), letOut), refused(/cannot be trusted/));
      assert.equal(letOut.length, 0);
    }
  });

  test('one that is known as stored ends with an error where it was altered all the same', async () => {
    const file = await write(randomBytes(300_000), 65_536);
    const readStored = async (bytes: Uint8Array) => {
      const opened = await openMessage(stored(bytes), 'x.gpg', keys, 'stored');
      assert.ok('bytes' in opened);
      let sizeBytes = 0;
      for await (const piece of opened.bytes) sizeBytes += piece.length;
      return sizeBytes;
    };
    assert.equal(await readStored(file), 300_000);
    for (let position = 40; position < file.length; position += position < file.length - 60 ? 997 : 1) {
      const altered = Buffer.from(file);
      altered[position]! ^= 4;
      await assert.rejects(readStored(altered), refused(/cannot be trusted/), `byte ${position}`);
      await assert.rejects(readStored(file.subarray(0, position)), refused(/cannot be trusted/));
    }
  });

  test('reading can stop early', async () => {
    const path = stored(await write(randomBytes(9 * 1024 * 1024), 65_536));
    const opened = await openMessage(path, 'x.gpg', keys);
    assert.ok('bytes' in opened);
    for await (const piece of opened.bytes) {
      assert.ok(piece.length >= 65_536);
      break;
    }
  });
});

/** Where the library hands a damaged file on, gpg has the last word. */
function refusedByLibrary(beyond: string | undefined): TundraError {
  return new TundraError('encryption', `beyond: ${beyond}`);
}
