import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../../base/bytes.js';
import { PieceReader } from '../byte-reader.js';
import { type LengthForm, packet } from './handmade-packets.js';
import { PacketReader } from './packets.js';
import { PartialBody } from './partial-body.js';

async function* inPieces(bytes: Uint8Array, pieceBytes: number): ByteStream {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    yield Uint8Array.from(bytes.subarray(offset, offset + pieceBytes));
  }
}

async function readAll(bytes: Uint8Array, pieceBytes = 1000): Promise<{ tag: number; body: Buffer }[]> {
  const packets = new PacketReader(new PieceReader(inPieces(bytes, pieceBytes)));
  const all = [];
  for (let next = await packets.next(); next !== undefined; next = await packets.next()) {
    all.push({ tag: next.tag, body: Buffer.from(await next.body.collect(100_000)) });
  }
  return all;
}

const body = (size: number) => Buffer.from(Array.from({ length: size }, (_, i) => i % 251));
const forms: LengthForm[] = ['new', 'five bytes', 'old', 'old long', 'parts'];

suite('packets', () => {
  test('every form of length is read, at every split', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom(...forms),
            fc.constantFrom(0, 1, 191, 192, 255, 256, 511, 512, 8383, 8384, 9000),
          ),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        fc.constantFrom(1, 2, 3, 7, 513, 100_000),
        async (packets, pieceBytes) => {
          const file = Buffer.concat(packets.map(([form, size], i) => packet(i + 1, body(size), form)));
          const expected = packets.map(([, size], i) => ({ tag: i + 1, body: body(size) }));
          assert.deepEqual(await readAll(file, pieceBytes), expected);
        },
      ),
      { numRuns: 60 },
    ));

  test('some of the next bytes at a time are those of the body, and of no other', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom<LengthForm>(...forms, 'endless'),
        fc.constantFrom(0, 1, 511, 512, 515, 516, 8384, 9000),
        fc.constantFrom(1, 2, 7, 513, 100_000),
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 3000 })), { minLength: 1, maxLength: 5 }),
        async (form, size, pieceBytes, calls) => {
          const isLast = form === 'endless';
          const file = Buffer.concat([packet(1, body(size), form), isLast ? body(0) : packet(2, body(5))]);
          const packets = new PacketReader(new PieceReader(inPieces(file, pieceBytes)));
          const { body: packed } = (await packets.next())!;
          const got: Buffer[] = [];
          for (let turn = 0; ; turn++) {
            const [isRead, limit] = calls[turn % calls.length]!;
            const into = Buffer.alloc(isRead ? limit : 0);
            const part = isRead ? into.subarray(0, await packed.read(into)) : await packed.next(limit);
            if (part === undefined || part.length === 0) break;
            assert.ok(part.length <= limit);
            got.push(Buffer.from(part));
          }
          assert.deepEqual(Buffer.concat(got), body(size));
          assert.equal(await packed.next(), undefined);
          if (isLast) return;
          const { tag, body: after } = (await packets.next())!;
          assert.deepEqual([tag, Buffer.from(await after.collect(10))], [2, body(5)]);
        },
      ),
      { numRuns: 200 },
    ));

  test('the end of a packet that is cut short is told also where some bytes are asked for', async () => {
    for (const form of forms) {
      const file = packet(1, body(600), form);
      const packets = new PacketReader(new PieceReader(inPieces(file.subarray(0, -1), 100)));
      const { body: packed } = (await packets.next())!;
      await assert.rejects(
        async () => {
          while ((await packed.next()) !== undefined);
        },
        { code: 'format' },
        form,
      );
    }
  });

  test('an endless packet goes to the end', async () => {
    const file = Buffer.concat([packet(1, body(5)), packet(8, body(700), 'endless')]);
    assert.deepEqual(await readAll(file), [
      { tag: 1, body: body(5) },
      { tag: 8, body: body(700) },
    ]);
  });

  test('a packet that was not read is passed over', async () => {
    const file = Buffer.concat([packet(1, body(70_000), 'parts'), packet(2, body(3))]);
    const packets = new PacketReader(new PieceReader(inPieces(file, 999)));
    assert.equal((await packets.next())?.tag, 1);
    const second = await packets.next();
    assert.equal(second?.tag, 2);
    assert.deepEqual(Buffer.from(await second.body.collect(10)), body(3));
    assert.equal(await packets.next(), undefined);
  });

  test('what is cut short or no packet is refused', async () => {
    for (const form of forms) {
      const file = packet(1, body(600), form);
      for (const size of [1, 2, 3, 100, 599, file.length - 1]) {
        await assert.rejects(readAll(file.subarray(0, size)), { code: 'format' }, `${form}, ${size} bytes`);
      }
    }
    await assert.rejects(readAll(Buffer.from('hello')), { code: 'format', message: /not an OpenPGP/ });
  });

  test('a small packet that is not small is refused', async () => {
    const packets = new PacketReader(new PieceReader(inPieces(packet(3, body(2000)), 512)));
    const { body: large } = (await packets.next())!;
    await assert.rejects(large.collect(1024), { code: 'format' });
  });
});

suite('PartialBody', () => {
  test('a body in parts is read back, with flushes anywhere', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(1500), fc.boolean()), { maxLength: 8 }), async (writes) => {
        const pieces: Uint8Array[] = [Buffer.of(0xc0 | 11)];
        const writer = new PartialBody((piece) => void pieces.push(piece), 512);
        const whole = body(writes.reduce((sum, [size]) => sum + size, 0));
        let offset = 0;
        for (const [size, isFlushed] of writes) {
          await writer.write(whole.subarray(offset, offset + size));
          offset += size;
          if (isFlushed) await writer.flush();
        }
        const bound = Buffer.concat(pieces).length + writer.bytesPending;
        await writer.finish();
        const file = Buffer.concat(pieces);
        assert.ok(file.length <= bound);
        assert.deepEqual(await readAll(file), [{ tag: 11, body: whole }]);
        const isInParts = whole.length >= 512 && file[1]! >= 224 && file[1]! < 255;
        if (isInParts) assert.ok(file[1]! >= 0xe9, 'the first part has 512 bytes or more');
      }),
    ));
});
