import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, statSync, utimesSync, writeSync } from 'node:fs';
import { after, suite, test } from 'node:test';
import { collectBytes } from '../base/bytes.js';
import { Secret } from '../base/secret.js';
import { createOpener } from './ciphers.js';
import { PASSPHRASE, refusal, SealTrial, seal, text } from './seal-trial.js';

const trial = new SealTrial();
after(() => trial.remove());

const marks = { encrypted: true, compressed: false };
/** Above what is checked in the thread that asks. */
const large = randomBytes(9 * 1024 * 1024);
/** A level that leaves the noise alone costs little time. */
const settings = trial.settings({ kind: 'passphrase', level: 1 });

/** A file of which the time of the last change can be set to the very same again. */
async function sealed(plain: Uint8Array, name: string): Promise<string> {
  const path = trial.stored(await seal(settings, plain, 1 << 20), name);
  utimesSync(path, 1_600_000_000, 1_600_000_000);
  return path;
}

/** Changes a byte in the middle of a file, which looks as before: same file, same size, same time of its last change. */
function alter(path: string): void {
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  const at = Math.floor(size / 2);
  readSync(file, byte, 0, 1, at);
  byte[0]! ^= 1;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
  utimesSync(path, 1_600_000_000, 1_600_000_000);
}

suite('what was checked ahead', () => {
  for (const [size, plain] of [
    ['small', text],
    ['large', large],
  ] as const) {
    test(`a ${size} file comes back`, async () => {
      const path = await sealed(plain, size);
      const opener = createOpener(settings);
      const checked = await opener.check(path, marks, 'x.gpg');
      assert.ok(checked !== undefined);
      const { bytes } = await opener.open(path, marks, 'x.gpg', checked);
      assert.ok((await collectBytes(bytes, 1e8)).equals(plain));
    });

    test(`a ${size} file that was altered is refused`, async () => {
      const path = await sealed(plain, size);
      alter(path);
      await assert.rejects(createOpener(settings).check(path, marks, 'x.gpg'), refusal(/x\.gpg .*altered/));
    });

    test(`a ${size} file that is altered behind the check is checked again before anything is let out`, async () => {
      const path = await sealed(plain, size);
      const opener = createOpener(settings);
      const checked = await opener.check(path, marks, 'x.gpg');
      assert.ok(checked !== undefined);
      alter(path);
      // Opening gives no bytes at all: not even the first of them can be had.
      await assert.rejects(opener.open(path, marks, 'x.gpg', checked), refusal(/x\.gpg .*altered/));
    });
  }

  test('another file in its place is checked again', async () => {
    const path = trial.stored(await seal(settings, text), 'one');
    const opener = createOpener(settings);
    const checked = await opener.check(path, marks, 'x.gpg');
    const other = await seal(settings, text);
    other[other.length - 100]! ^= 1;
    trial.stored(other, 'one');
    await assert.rejects(opener.open(path, marks, 'x.gpg', checked), refusal(/x\.gpg .*altered/));
  });

  test('nothing is said of a file that has no check of its own, or that the passphrase does not open', async () => {
    const path = await sealed(text, 'one');
    const plain = trial.stored(await seal(trial.settings({ kind: 'gzip' }), text), 'plain');
    assert.equal(
      await createOpener(settings).check(plain, { encrypted: false, compressed: true }, 'x.gz'),
      undefined,
    );
    const other = trial.settings({ kind: 'passphrase' }, { passphrase: new Secret(`${PASSPHRASE}!`) });
    assert.equal(await createOpener(other).check(path, marks, 'x.gpg'), undefined);
    const none = trial.settings({ kind: 'passphrase' }, { passphrase: undefined });
    assert.equal(await createOpener(none).check(path, marks, 'x.gpg'), undefined);
  });
});
