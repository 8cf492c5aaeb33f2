import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, suite, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { collectBytes } from '../base/bytes.js';
import { createCipher, createOpener } from './ciphers.js';
import { SealTrial, text } from './seal-trial.js';
import type { SealSettings } from './settings.js';
import { unpackedBeside, unpackedHere } from './unpacked-here.js';

const trial = new SealTrial();
after(() => trial.remove());

const kinds = ['passphrase', 'gzip', 'none'] as const;
const marks = {
  passphrase: { encrypted: true, compressed: false },
  gzip: { encrypted: false, compressed: true },
  none: { encrypted: false, compressed: false },
};

/** Seals parts of a file; each but the first begins at an access point. */
async function sealParts(
  settings: SealSettings,
  parts: readonly Uint8Array[],
): Promise<{ file: Buffer; accessPoints: readonly number[] }> {
  const pieces: Uint8Array[] = [];
  const writer = createCipher(settings).seal((piece) => void pieces.push(Uint8Array.from(piece)));
  for (const [index, part] of parts.entries()) {
    if (index > 0) await writer.beginAccessPoint();
    for (let at = 0; at < part.length; at += 50_000) await writer.write(part.subarray(at, at + 50_000));
  }
  await writer.finish();
  return { file: Buffer.concat(pieces), accessPoints: writer.accessPoints };
}

/** Bytes that refer to each other over all parts, and some that do not compress. */
const stuff = Buffer.concat([text, randomBytes(100_000), text, text, randomBytes(3000), text]);

suite('access points', () => {
  for (const kind of kinds) {
    const settings = trial.settings({ kind });
    const opener = createOpener(settings);

    test(`${kind}: all that stands behind each of them, and the whole as ever`, async () => {
      const sizes = fc.array(fc.integer({ min: 512, max: 700_000 }), { minLength: 1, maxLength: 5 });
      await fc.assert(
        fc.asyncProperty(sizes, async (sizes) => {
          const parts = sizes.map((size, i) => {
            const from = (i * 7919) % 1000;
            return Buffer.concat(Array(8).fill(stuff)).subarray(from, from + size);
          });
          const whole = Buffer.concat(parts);
          const { file, accessPoints } = await sealParts(settings, parts);
          const path = trial.stored(file, 'parts');
          assert.equal(accessPoints.length, parts.length - 1);
          const checked = await opener.check(path, marks[kind], 'x', true);
          const { bytes } = await opener.open(path, marks[kind], 'x');
          assert.ok((await collectBytes(bytes, 1e8)).equals(whole));
          let start = 0;
          for (const [index, part] of parts.entries()) {
            const accessPoint = index === 0 ? undefined : accessPoints[index - 1];
            const readable = await opener.readable(path, marks[kind], 'x', checked, accessPoint);
            assert.ok(readable !== undefined);
            const found = await collectBytes(unpackedHere(readable), 1e8);
            assert.ok((await collectBytes(unpackedBeside(readable), 1e8)).equals(found));
            // What is behind a tar is no matter, and the integrity packet is not read.
            assert.ok(found.equals(whole.subarray(start)), `part ${index} of ${sizes}`);
            start += part.length;
          }
        }),
        { numRuns: 25 },
      );
    });
  }

  test('a stranger reads the file too', async () => {
    const parts = [stuff, stuff, stuff];
    const whole = Buffer.concat(parts);
    const gzip = await sealParts(trial.settings({ kind: 'gzip' }), parts);
    assert.ok(gunzipSync(gzip.file).equals(whole));
  });

  test('damage behind one is an error', async () => {
    const settings = trial.settings({ kind: 'gzip' });
    const { file, accessPoints } = await sealParts(settings, [text, text]);
    const cut = trial.stored(file.subarray(0, accessPoints[0]! + 20), 'cut');
    const readable = await createOpener(settings).readable(
      cut,
      marks.gzip,
      'x.gz',
      undefined,
      accessPoints[0],
    );
    await assert.rejects(collectBytes(unpackedHere(readable!), 1e8), { code: 'format' });
  });
});
