import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { hasProgram, needs } from '../../../test/peers.js';
import { Secret } from '../../base/secret.js';
import {
  protectedPacket,
  simpleKey,
  simplePassphrase,
  unprotectedPacket,
} from '../library/handmade-packets.js';
import { PASSPHRASE, refusal, SealTrial, seal, text } from '../seal-trial.js';
import { gpg, TrialKeyring } from './trial-keyring.js';

const trial = new SealTrial();
after(() => trial.remove());

suite("messages to a passphrase, ours and gpg's", {
  skip:
    hasProgram('gpg') || process.env.TUNDRA_REQUIRE === 'all' ? false : 'needs gpg (Debian package gnupg)',
}, () => {
  let keyring: TrialKeyring;

  before(() => {
    keyring = new TrialKeyring();
    keyring.makeKey('plain', { kind: 'ecc' });
  });
  after(() => keyring.remove());

  test('gpg opens what the library sealed', async (t) => {
    if (!needs(t, 'gpg')) return;
    for (const size of [0, 1, 190, 400, 8000, 9000, 70_000, text.length]) {
      const plain = text.subarray(0, size);
      const file = await seal(trial.byPassphrase, plain);
      assert.deepEqual(gpg(['--passphrase', PASSPHRASE, '--decrypt'], file), plain);
    }
  });

  const symmetric: string[][] = [
    ['--cipher-algo', 'AES'],
    ['--cipher-algo', 'AES192'],
    ['--cipher-algo', 'AES256', '--compress-algo', 'none'],
    ['--compress-algo', 'zip'],
    ['--compress-algo', 'zlib'],
    ['--compress-algo', 'zlib', '--compress-level', '9'],
    ['--s2k-mode', '0'],
    ['--s2k-mode', '1'],
    ...['MD5', 'SHA1', 'RIPEMD160', 'SHA224', 'SHA256', 'SHA384', 'SHA512'].map((hash) => [
      '--s2k-digest-algo',
      hash,
    ]),
    ['--s2k-count', '65011712'],
    ['--s2k-cipher-algo', 'AES192', '--cipher-algo', 'AES'],
  ];
  for (const options of symmetric) {
    test(`the library alone opens what gpg sealed with ${options.join(' ')}`, async (t) => {
      if (!needs(t, 'gpg')) return;
      const file = gpg(['--passphrase', PASSPHRASE, '--s2k-count', '65536', ...options, '--symmetric'], text);
      const alone = trial.settings({ kind: 'passphrase' }, { gnupg: { program: '/nowhere/gpg' } });
      assert.deepEqual((await trial.open(alone, file)).plain, text);
      const wrong = trial.settings({ kind: 'passphrase' }, { ...alone, passphrase: new Secret('guess') });
      await assert.rejects(trial.open(wrong, file), refusal(/passphrase does not open x\.gpg/));
    });
  }

  const beyond: string[][] = [
    ...['CAST5', '3DES', 'TWOFISH', 'BLOWFISH', 'CAMELLIA256'].map((cipher) => ['--cipher-algo', cipher]),
    ['--compress-algo', 'bzip2'],
    ['--armor'],
    ['--rfc4880'],
  ];
  for (const options of beyond) {
    test(`gpg helps to open ${options.join(' ')}`, async (t) => {
      if (!needs(t, 'gpg')) return;
      const file = gpg(['--passphrase', PASSPHRASE, '--s2k-count', '65536', ...options, '--symmetric'], text);
      assert.deepEqual((await trial.open(trial.byPassphrase, file)).plain, text);
      const wrong = trial.settings({ kind: 'passphrase' }, { passphrase: new Secret('guess') });
      await assert.rejects(trial.open(wrong, file), refusal(/passphrase does not open x\.gpg/));
      const letOut: Uint8Array[] = [];
      const altered = Buffer.from(file);
      altered[file.length >> 1]! ^= 1;
      await assert.rejects(trial.open(trial.byPassphrase, altered, letOut), refusal(/x\.gpg/));
      await assert.rejects(
        trial.open(trial.byPassphrase, file.subarray(0, file.length >> 1), letOut),
        refusal(/x\.gpg/),
      );
      assert.equal(letOut.length, 0);
    });
  }

  test('a passphrase or a key, either opens', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = gpg(['--passphrase', PASSPHRASE, '-r', 'plain', '--encrypt', '--symmetric'], text);
    const alone = trial.settings({ kind: 'passphrase' }, { gnupg: { program: '/nowhere/gpg' } });
    assert.deepEqual((await trial.open(alone, file)).plain, text);
    assert.deepEqual(
      (await trial.open(trial.settings({ kind: 'none' }, { passphrase: undefined }), file)).plain,
      text,
    );
  });

  test('gpg opens data without integrity check, but not protected data made to look so', async (t) => {
    if (!needs(t, 'gpg')) return;
    // BZIP2 is what makes this one for gpg.
    const inside = gpg(['--compress-algo', 'bzip2', '--store'], text);
    const key = simpleKey(PASSPHRASE);
    assert.equal(inside[0], 0xa3);
    const old = Buffer.concat([simplePassphrase(9), unprotectedPacket(inside, key)]);
    trial.warnings = [];
    assert.deepEqual((await trial.open(trial.byPassphrase, old)).plain, text);
    assert.match(trial.warnings.join(), /no integrity check/);

    const damaged = Buffer.from(protectedPacket(inside, key));
    damaged[damaged.length - 1]! ^= 1;
    await assert.rejects(
      trial.open(trial.byPassphrase, Buffer.concat([simplePassphrase(9), damaged])),
      refusal(/x\.gpg/),
    );
  });

  test('the options of the user count', async (t) => {
    if (!needs(t, 'gpg')) return;
    const userOptions = '--cipher-algo  CAMELLIA256\t--compress-algo bzip2';
    const chosen = trial.settings({ kind: 'passphrase' }, { gnupg: { userOptions } });
    const file = await seal(chosen, text);
    const packets = gpg(['--passphrase', PASSPHRASE, '--list-packets'], file).toString();
    assert.match(packets, /cipher 13/);
    assert.match(packets, /algo=3/);
    assert.deepEqual((await trial.open(trial.byPassphrase, file)).plain, text);
  });
});
