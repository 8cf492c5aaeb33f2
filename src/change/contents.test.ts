import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { type FileVersion, writeContents } from './contents.js';
import type { VersionKind } from './merge.js';

type Command = { copy: [position: number, length: number] } | { literal: Uint8Array };

/** A librsync delta with operands of 4 bytes. */
function deltaOf(...commands: Command[]): Buffer {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const parts = commands.flatMap((command) =>
    'copy' in command
      ? [Buffer.of(69 + 4 * 2 + 2), number(command.copy[0]), number(command.copy[1])]
      : [Buffer.of(67), number(command.literal.length), command.literal],
  );
  return Buffer.concat([Buffer.of(0x72, 0x73, 0x02, 0x36), ...parts, Buffer.of(0)]);
}

/** A version whose data comes at once or in pieces that are overwritten when the next one is asked for. */
function version(kind: VersionKind, bytes: Uint8Array, pieceBytes?: number): FileVersion {
  return {
    entry: { kind },
    bufferedData: () => (pieceBytes === undefined ? bytes : undefined),
    async *data() {
      const lent = Buffer.alloc(pieceBytes ?? 1);
      for (let at = 0; at < bytes.length; at += lent.length) {
        const piece = bytes.subarray(at, at + lent.length);
        lent.set(piece);
        yield lent.subarray(0, piece.length);
      }
    },
  };
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-contents-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function contents(versions: FileVersion[], folder = '/nowhere'): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let scratches = 0;
  await writeContents(
    versions,
    () => join(folder, `scratch.${scratches++}`),
    (bytes) => pieces.push(Buffer.from(bytes)),
  );
  return Buffer.concat(pieces);
}

const openFiles = () => readdirSync('/proc/self/fd').length;

describe('writeContents', () => {
  it('copies a file that is whole, in one piece or many, also an empty one', async () => {
    for (const bytes of [Buffer.alloc(0), randomBytes(1), randomBytes(70_000)]) {
      assert.deepEqual(await contents([version('snapshot', bytes)]), bytes);
      assert.deepEqual(await contents([version('snapshot', bytes, 1000)]), bytes);
    }
  });

  it('puts together what many differences left, however it was cut', async (t) => {
    const folder = temporaryFolder(t);
    const before = openFiles();
    const base = randomBytes(6_000_000);
    for (const edits of [2, 9, 20]) {
      const versions = [version('snapshot', base, 1_000_000)];
      let whole = base;
      for (let edit = 1; edit <= edits; edit++) {
        const cut = (edit * 777_777) % whole.length;
        const fresh = randomBytes(edit % 3 === 0 ? 5_000_000 : 1000);
        const from = Math.floor(cut / 2);
        const commands: Command[] = [
          { copy: [cut, whole.length - cut] },
          { literal: fresh.subarray(0, 500) },
          { literal: fresh.subarray(500) },
          { copy: [0, from] },
          { copy: [from, 10] },
        ];
        versions.push(version('diff', deltaOf(...commands), 70_000));
        whole = Buffer.concat([whole.subarray(cut), fresh, whole.subarray(0, from + 10)]);
      }
      assert.ok((await contents(versions, folder)).equals(whole), `${edits} edits`);
    }
    assert.equal(openFiles(), before);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('holds no more of a difference in small pieces than it may', async (t) => {
    const base = randomBytes(300_000);
    const pieces = 1_100_000;
    const commands = Buffer.alloc(4 + 4 * pieces + 1);
    commands.writeUInt32BE(0x72730236);
    const expected = Buffer.alloc(pieces);
    for (let i = 0; i < pieces; i++) {
      // Copies of a byte each, none behind the one before: positions of two bytes, a length of one.
      const position = (i * 7) % 65_000;
      commands[4 + 4 * i] = 69 + 4 * 1;
      commands.writeUInt16BE(position, 5 + 4 * i);
      commands[7 + 4 * i] = 1;
      expected[i] = base[position]!;
    }
    const last = deltaOf({ copy: [1, pieces - 1] }, { copy: [0, 1] });
    const versions = [
      version('snapshot', base, 9999),
      version('diff', commands, 65_536),
      version('diff', last),
    ];
    const whole = await contents(versions, temporaryFolder(t));
    assert.ok(whole.equals(Buffer.concat([expected.subarray(1), expected.subarray(0, 1)])));
  });

  it('applies any number of differences', async () => {
    const edit = fc.record({
      from: fc.nat(60),
      length: fc.nat(60),
      literal: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 100 }),
        fc.array(edit),
        fc.nat(7),
        async (base, edits, piece) => {
          let bytes = Buffer.from(base);
          const versions = [version('snapshot', base, piece || undefined)];
          for (const { from, length, literal } of edits) {
            const copied = bytes.subarray(from, from + length);
            const copy: Command[] = copied.length > 0 ? [{ copy: [from, copied.length] }] : [];
            versions.push(version('diff', deltaOf({ literal }, ...copy), piece || undefined));
            bytes = Buffer.concat([literal, copied]);
          }
          assert.deepEqual(await contents(versions), bytes);
        },
      ),
    );
  });

  it('makes an empty file of one with contents, and the other way round', async () => {
    const versions = [version('snapshot', Buffer.from('text')), version('diff', deltaOf())];
    assert.equal((await contents(versions)).length, 0);
    versions.push(version('diff', deltaOf({ literal: Buffer.from('new') })));
    assert.equal((await contents(versions)).toString(), 'new');
  });

  it('keeps what is too large for memory in files without a name', async (t) => {
    const folder = temporaryFolder(t);
    const before = openFiles();
    const base = randomBytes(4_500_000);
    const half = 2_250_000;
    const swap = deltaOf({ copy: [half, half] }, { copy: [0, half] });
    const versions = [version('snapshot', base, 65_536), version('diff', swap), version('diff', swap, 10)];
    assert.ok((await contents(versions, folder)).equals(base));
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(openFiles(), before);
  });

  it('leaves nothing open when a difference is damaged, wherever it stands', async (t) => {
    const folder = temporaryFolder(t);
    const before = openFiles();
    const base = randomBytes(4_300_000);
    const same = deltaOf({ copy: [0, base.length] });
    const cut = same.subarray(0, same.length - 1);
    const beyond = deltaOf({ copy: [0, base.length] }, { copy: [base.length, 1] });
    for (const damaged of [cut, beyond, Buffer.from('no delta')]) {
      for (const order of [
        [same, damaged],
        [damaged, same],
      ]) {
        const versions = [version('snapshot', base), ...order.map((delta) => version('diff', delta, 1000))];
        await assert.rejects(contents(versions, folder), { code: 'format' });
      }
    }
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(openFiles(), before);
  });

  it('says that a difference has nothing to build on', async () => {
    for (const rest of [[], [version('diff', deltaOf())]]) {
      await assert.rejects(contents([version('diff', deltaOf()), ...rest]), {
        code: 'format',
        message: /a version that is missing/,
      });
    }
  });

  it('hands on what its reader throws', async () => {
    const full = () => {
      throw new Error('disk full');
    };
    const versions = [version('snapshot', Buffer.from('text')), version('diff', deltaOf({ copy: [0, 4] }))];
    await assert.rejects(async () => writeContents(versions, () => '', full), { message: 'disk full' });
  });
});
