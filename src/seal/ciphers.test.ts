import assert from 'node:assert/strict';
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { collectBytes } from '../base/bytes.js';
import { Secret } from '../base/secret.js';
import { createCipher, createOpener } from './ciphers.js';
import {
  literal,
  packet,
  simpleKey,
  simplePassphrase,
  unprotectedPacket,
} from './library/handmade-packets.js';
import { PASSPHRASE, refusal, SealTrial, seal, text } from './seal-trial.js';
import type { Sealing, SealSettings } from './settings.js';

const trial = new SealTrial();
after(() => trial.remove());

suite('ciphers and openers', () => {
  test('what a cipher is called in file names, and that each kind comes back', async () => {
    const marks: [Sealing, boolean, boolean][] = [
      [{ kind: 'none' }, false, false],
      [{ kind: 'gzip', level: 1 }, false, true],
      [{ kind: 'passphrase' }, true, false],
    ];
    for (const [sealing, encrypted, compressed] of marks) {
      const cipher = createCipher(trial.settings(sealing));
      assert.equal(cipher.encrypted, encrypted);
      assert.equal(cipher.compressed, compressed);
      const path = trial.stored(await seal(trial.settings(sealing), text));
      const opened = await createOpener(trial.settings({ kind: 'none' })).open(path, cipher, 'x');
      assert.deepEqual(await collectBytes(opened.bytes, 1e7), text);
    }
    assert.equal(
      createCipher(trial.settings({ kind: 'keys', encryptKeys: ['a'], hiddenEncryptKeys: [] })).encrypted,
      true,
    );
  });

  test('no passphrase', async () => {
    const none = trial.settings({ kind: 'passphrase' }, { passphrase: undefined });
    const empty = trial.settings({ kind: 'passphrase' }, { passphrase: new Secret('') });
    const file = await seal(trial.byPassphrase, text);
    for (const without of [none, empty]) {
      await assert.rejects(seal(without, text), refusal(/no passphrase was given/, /PASSPHRASE/));
      await assert.rejects(trial.open(without, file), refusal(/x\.gpg takes a passphrase/, /PASSPHRASE/));
    }
  });

  test('a file that is not there', async () => {
    const opener = createOpener(trial.byPassphrase);
    const path = join(trial.folder, 'missing');
    await assert.rejects(opener.open(path, { encrypted: true, compressed: false }, 'x'), { code: 'generic' });
    const { bytes } = await opener.open(path, { encrypted: false, compressed: true }, 'x');
    await assert.rejects(collectBytes(bytes, 10), { code: 'generic', message: /missing/ });
  });

  test('a run warns of a missing integrity check once', async () => {
    const file = Buffer.concat([
      simplePassphrase(9),
      unprotectedPacket(literal(text), simpleKey(PASSPHRASE)),
    ]);
    const path = trial.stored(file);
    const opener = createOpener(trial.byPassphrase);
    trial.warnings = [];
    for (let i = 0; i < 3; i++) {
      const opened = await opener.open(path, { encrypted: true, compressed: false }, 'x.gpg');
      assert.deepEqual(await collectBytes(opened.bytes, 1e7), text);
    }
    assert.equal(trial.warnings.length, 1);
    assert.match(trial.warnings[0]!, /x\.gpg has no integrity check/);
  });

  test('where gpg is needed and missing, the error says what for', async () => {
    const without = trial.settings({ kind: 'passphrase' }, { gnupg: { program: '/nowhere/gpg' } });
    const toKey = Buffer.concat([
      packet(1, Buffer.alloc(20)),
      packet(18, Buffer.concat([Buffer.of(1), text])),
    ]);
    await assert.rejects(
      trial.open(without, toKey),
      refusal(/x\.gpg uses a public key.*\/nowhere\/gpg/, /Install GnuPG/),
    );
    const keys: Sealing = { kind: 'keys', encryptKeys: ['a'], hiddenEncryptKeys: [] };
    await assert.rejects(
      seal({ ...without, ...keys } as SealSettings, text),
      refusal(/cannot run/, /Install GnuPG/),
    );
    // What needs no gpg works without one.
    assert.deepEqual((await trial.open(without, await seal(without, text))).plain, text);
  });

  test('an output that fails ends the file with its error', async () => {
    for (const kind of ['none', 'gzip', 'passphrase'] as const) {
      const writer = createCipher(trial.settings({ kind })).seal(async () => {
        throw new Error('storage full');
      });
      await assert.rejects(async () => {
        for (let i = 0; i < 40; i++) await writer.write(Buffer.alloc(300_000, text));
        await writer.finish();
      }, /storage full/);
      await writer.abort();
    }
  });

  test('a large message both ways in bounded memory', async () => {
    const noise = createHash('shake256', { outputLength: 1 << 20 })
      .update('large')
      .digest();
    const written = createHash('sha1');
    const read = createHash('sha1');
    let mostRss = 0;
    const note = (hash: Hash, bytes: Uint8Array) => {
      hash.update(bytes);
      mostRss = Math.max(mostRss, process.memoryUsage.rss());
    };

    const path = join(trial.folder, 'large.gpg');
    const file = openSync(path, 'w');
    const writer = createCipher(trial.byPassphrase).seal((sealed) => void writeSync(file, sealed));
    const rssBefore = process.memoryUsage.rss();
    for (let i = 0; i < 64; i++) {
      noise.writeUInt32LE(i, 0);
      for (const piece of [noise, Buffer.alloc(1 << 20)]) {
        note(written, piece);
        await writer.write(piece);
      }
    }
    await writer.finish();
    closeSync(file);
    assert.ok(writer.bytesOut > 64 << 20);

    const marks = { encrypted: true, compressed: false };
    const opened = await createOpener(trial.byPassphrase).open(path, marks, 'large');
    for await (const piece of opened.bytes) note(read, piece);
    assert.deepEqual(read.digest(), written.digest());
    assert.ok(mostRss - rssBefore < 120 << 20, `${(mostRss - rssBefore) >> 20} MiB more than before`);
  });
});
