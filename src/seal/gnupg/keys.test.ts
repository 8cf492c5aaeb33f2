import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { hasProgram, needs } from '../../../test/peers.js';
import { Secret } from '../../base/secret.js';
import { createCipher, createOpener } from '../ciphers.js';
import { PASSPHRASE, refusal, SealTrial, seal, text } from '../seal-trial.js';
import type { Sealing, SealSettings } from '../settings.js';
import { gpg, type TrialKey, TrialKeyring } from './trial-keyring.js';

const trial = new SealTrial();
after(() => trial.remove());

suite('messages to keys', {
  skip:
    hasProgram('gpg') || process.env.TUNDRA_REQUIRE === 'all' ? false : 'needs gpg (Debian package gnupg)',
}, () => {
  let keyring: TrialKeyring;
  let plainKey: TrialKey;
  let lockedKey: TrialKey;

  before(() => {
    keyring = new TrialKeyring();
    plainKey = keyring.makeKey('plain', { kind: 'ecc' });
    lockedKey = keyring.makeKey('locked', { kind: 'rsa', passphrase: PASSPHRASE, signingSubkey: true });
    keyring.forget();
  });
  after(() => keyring.remove());

  const toKeys = (encryptKeys: TrialKey[], more: Partial<Sealing> = {}, others: Partial<SealSettings> = {}) =>
    trial.settings(
      {
        kind: 'keys',
        encryptKeys: encryptKeys.map((key) => key.fingerprint),
        hiddenEncryptKeys: [],
        ...more,
      } as Sealing,
      others,
    );

  test('a public key: sealed by us, opened by gpg and by us', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = await seal(toKeys([plainKey]), text);
    assert.deepEqual(gpg(['--decrypt'], file), text);
    assert.deepEqual(await trial.open(toKeys([plainKey]), file), { plain: text, signedBy: undefined });
    assert.equal(
      await createOpener(trial.byPassphrase).checkKey(join(trial.folder, 'sealed'), 'x.gpg'),
      undefined,
    );
  });

  test('a hidden key, and a key with a passphrase', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = toKeys([], { hiddenEncryptKeys: [lockedKey.fingerprint] });
    const file = await seal(sealing, text);
    assert.ok(
      !gpg(['--list-packets', '--list-only'], file)
        .toString()
        .includes(keyring.fingerprints('locked')[1]!.slice(-16)),
    );
    keyring.forget();
    const guess = new Secret('guess');
    await assert.rejects(
      trial.open({ ...sealing, passphrase: guess }, file),
      refusal(/hidden key/, /PASSPHRASE/),
    );
    assert.deepEqual((await trial.open(sealing, file)).plain, text);

    const named = toKeys([lockedKey]);
    const toNamed = await seal(named, text);
    keyring.forget();
    await assert.rejects(
      trial.open({ ...named, passphrase: guess }, toNamed),
      refusal(/passphrase does not open x\.gpg/),
    );
    await assert.rejects(
      trial.open({ ...named, passphrase: undefined }, toNamed),
      refusal(/x\.gpg/, /PASSPHRASE/),
    );
    assert.deepEqual((await trial.open(named, toNamed)).plain, text);
  });

  test('signed: the signer is told, by the key that was expected', async (t) => {
    if (!needs(t, 'gpg')) return;
    const signKey = plainKey.fingerprint.slice(-16);
    const sealing = toKeys([plainKey], { signKey });
    assert.equal((await trial.open(sealing, await seal(sealing, text))).signedBy, plainKey.fingerprint);

    const [primary, , subkey] = keyring.fingerprints('locked');
    const withSubkey = toKeys(
      [plainKey],
      { signKey: primary },
      { signPassphrase: new Secret(PASSPHRASE), passphrase: undefined },
    );
    const file = await seal(withSubkey, text);
    assert.equal((await trial.open(withSubkey, file)).signedBy, primary);
    assert.equal(
      (await trial.open(toKeys([plainKey], { signKey: subkey!.slice(-8) }), file)).signedBy,
      subkey,
    );
    assert.equal((await trial.open(toKeys([plainKey]), file)).signedBy, subkey);

    keyring.forget();
    const wrong = toKeys([plainKey], { signKey: primary }, { signPassphrase: new Secret('guess') });
    await assert.rejects(
      seal(wrong, text),
      refusal(/passphrase does not open the key to sign with/, /SIGN_PASSPHRASE/),
    );
  });

  test('passphrase and signature', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = trial.settings({ kind: 'passphrase', signKey: plainKey.fingerprint });
    const file = await seal(sealing, text);
    const opened = await trial.open(sealing, file);
    assert.deepEqual(opened.plain, text);
    assert.equal(opened.signedBy, plainKey.fingerprint);
    // Without gpg the file is as whole, only its signature is not read.
    trial.warnings = [];
    const alone = await trial.open({ ...sealing, gnupg: { program: '/nowhere/gpg' } }, file);
    assert.deepEqual(alone, { plain: text, signedBy: undefined });
    assert.match(trial.warnings.join(), /signature of x\.gpg is not checked/);

    const two = { ...sealing, signPassphrase: new Secret('another') };
    await assert.rejects(seal(two, text), { code: 'user-error' });
  });

  test('a signature whose key is not there is no signature, and no error', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = await seal(trial.settings({ kind: 'passphrase', signKey: plainKey.fingerprint }), text);
    const inner = new TrialKeyring();
    try {
      trial.warnings = [];
      assert.deepEqual(await trial.open(trial.byPassphrase, file), { plain: text, signedBy: undefined });
      assert.match(trial.warnings.join(), /signature of x\.gpg could not be checked/);
    } finally {
      inner.remove();
    }
  });

  test('no secret key', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = await seal(toKeys([plainKey]), text);
    const inner = new TrialKeyring();
    try {
      const id = /no secret key for x\.gpg.*[0-9A-F]{16}/;
      await assert.rejects(trial.open(toKeys([plainKey]), file), refusal(id, /gpg --import/));
    } finally {
      inner.remove();
    }
  });

  test('keys that are unknown or not trusted', async (t) => {
    if (!needs(t, 'gpg')) return;
    const unknown = toKeys([{ fingerprint: 'DEADBEEF', name: '' }]);
    await assert.rejects(seal(unknown, text), refusal(/DEADBEEF: it is not in the key ring/, /--list-keys/));
    const large = Buffer.alloc(3_000_000, text);
    await assert.rejects(seal(unknown, large), refusal(/DEADBEEF/));
    const noSigner = toKeys([plainKey], { signKey: 'DEADBEEF' });
    await assert.rejects(seal(noSigner, text), refusal(/does not sign with the key DEADBEEF/));

    const publicKey = gpg(['--export', plainKey.fingerprint]);
    const inner = new TrialKeyring();
    try {
      gpg(['--import'], publicKey);
      await assert.rejects(
        seal(toKeys([plainKey]), text),
        refusal(/it is not trusted/, /lsign-key.*trust-model/),
      );
      await seal(toKeys([plainKey], {}, { gnupg: { userOptions: ' --trust-model=always ' } }), text);
    } finally {
      inner.remove();
    }
  });

  test('an altered or shortened message to a key lets nothing out', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = toKeys([plainKey], { signKey: plainKey.fingerprint });
    const file = await seal(sealing, text.subarray(0, 200));
    const letOut: Uint8Array[] = [];
    for (let position = 0; position < file.length; position += 23) {
      const altered = Buffer.from(file);
      altered[position]! ^= 0x10;
      await assert.rejects(trial.open(sealing, altered, letOut), refusal(/x\.gpg/), `byte ${position}`);
      await assert.rejects(
        trial.open(sealing, file.subarray(0, position), letOut),
        refusal(/x\.gpg/),
        `cut at ${position}`,
      );
    }
    assert.equal(letOut.length, 0);
    assert.deepEqual(
      readdirSync(trial.folder).filter((name) => name.endsWith('.plain')),
      [],
    );
  });

  test('options that gpg does not take', async (t) => {
    if (!needs(t, 'gpg')) return;
    const wrong = toKeys([plainKey], {}, { gnupg: { userOptions: '--no-such-option' } });
    await assert.rejects(seal(wrong, text), refusal(/does not say which version/, /--gpg-options/));
    const late = toKeys([plainKey], {}, { gnupg: { userOptions: '--compress-algo nonsense' } });
    await assert.rejects(seal(late, Buffer.alloc(5_000_000, text)), refusal(/gpg/));
  });

  test('the agent is left to itself', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = toKeys([plainKey], { signKey: plainKey.fingerprint }, { gnupg: { useAgent: true } });
    const opened = await trial.open(sealing, await seal(sealing, text));
    assert.deepEqual(opened, { plain: text, signedBy: plainKey.fingerprint });
  });

  test('abort ends the child at any time', async (t) => {
    if (!needs(t, 'gpg')) return;
    for (const bytes of [0, 10, 300_000]) {
      let calls = 0;
      const writer = createCipher(toKeys([plainKey])).seal(() => void calls++);
      if (bytes > 0) writer.write(Buffer.alloc(bytes, text))?.catch(() => {});
      await writer.abort();
      const before = calls;
      await new Promise((resolve) => setTimeout(resolve, 30));
      assert.equal(calls, before);
      assert.equal(writer.bytesPending, 0);
    }
    const waits = createCipher(toKeys([plainKey])).seal(() => new Promise<void>(() => {}));
    waits.write(Buffer.alloc(3_000_000, text))?.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    await waits.abort();
  });

  test('an output that fails ends the file with its error', async (t) => {
    if (!needs(t, 'gpg')) return;
    const writer = createCipher(toKeys([plainKey])).seal(async () => {
      throw new Error('storage full');
    });
    await assert.rejects(async () => {
      for (let i = 0; i < 40; i++) await writer.write(Buffer.alloc(300_000, text));
      await writer.finish();
    }, /storage full/);
    await writer.abort();
  });

  test('a temporary folder that is not there', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = await seal(toKeys([plainKey]), text);
    const missing = toKeys([plainKey], {}, { tempDir: join(trial.folder, 'missing') });
    await assert.rejects(trial.open(missing, file), { code: 'generic', message: /temporary file/ });
  });

  test('settle leaves a small known bound, also with gpg', async (t) => {
    if (!needs(t, 'gpg')) return;
    const noise = createHash('shake256', { outputLength: 4_000_000 }).update('noise').digest();
    const writer = createCipher(toKeys([plainKey])).seal(() => {});
    const bounds: number[] = [];
    for (let offset = 0; offset < noise.length; offset += 65_536) {
      await writer.write(noise.subarray(offset, offset + 65_536));
      // Noise does not shrink: all that was written comes out in the end.
      bounds.push(writer.bytesOut + writer.bytesPending - offset);
    }
    assert.ok(
      bounds.every((slack) => slack >= 0),
      `${bounds}`,
    );
    await writer.settle();
    assert.ok(writer.bytesPending < 1024 * 1024);
    const bound = writer.bytesOut + writer.bytesPending;
    await writer.finish();
    assert.ok(writer.bytesOut <= bound);
  });
});
