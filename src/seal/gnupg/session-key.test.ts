import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { hasProgram, needs } from '../../../test/peers.js';
import { collectBytes } from '../../base/bytes.js';
import { Secret } from '../../base/secret.js';
import { createOpener } from '../ciphers.js';
import { packet } from '../library/handmade-packets.js';
import { PASSPHRASE, refusal, SealTrial, seal, text } from '../seal-trial.js';
import type { SealSettings } from '../settings.js';
import { unpackedHere } from '../unpacked-here.js';
import { gpg, type TrialKey, TrialKeyring } from './trial-keyring.js';

const trial = new SealTrial();
after(() => trial.remove());

const marks = { encrypted: true, compressed: false };
/** Large enough that gpg is asked for the session key alone. */
const large = Buffer.concat([randomBytes(1_200_000), text]);

/** Runs gpg and notes how: `unwrap` or `whole`, and all that its command line says. */
class NotedGnupg {
  readonly program: string;
  readonly #notes: string;

  constructor(name: string, script = 'exec gpg "$@"') {
    this.program = join(trial.folder, name);
    this.#notes = `${this.program}.notes`;
    writeFileSync(
      this.program,
      `#!/bin/sh\ncase "$*" in *--version*) exec gpg "$@";; esac\necho "$*" >>${this.#notes}\n${script}\n`,
      { mode: 0o755 },
    );
  }

  /** The runs since the last time. */
  runs(): string[] {
    if (!existsSync(this.#notes)) return [];
    const lines = readFileSync(this.#notes, 'utf8').trim().split('\n');
    rmSync(this.#notes);
    return lines.map((line) => (line.includes('--show-session-key') ? 'unwrap' : 'whole'));
  }
}

suite('messages to keys that are decrypted in this process', {
  skip:
    hasProgram('gpg') || process.env.TUNDRA_REQUIRE === 'all' ? false : 'needs gpg (Debian package gnupg)',
}, () => {
  let keyring: TrialKeyring;
  let plainKey: TrialKey;
  let lockedKey: TrialKey;
  const noted = new NotedGnupg('noted');

  before(() => {
    keyring = new TrialKeyring();
    plainKey = keyring.makeKey('plain', { kind: 'ecc' });
    lockedKey = keyring.makeKey('locked', { kind: 'rsa', passphrase: PASSPHRASE });
    keyring.forget();
  });
  after(() => keyring.remove());

  const settings = (more: Partial<SealSettings> = {}) =>
    trial.settings({ kind: 'none' }, { gnupg: { program: noted.program }, ...more });
  const encrypted = (plain: Uint8Array, ...options: string[]) =>
    gpg(['--trust-model', 'always', ...options, '--encrypt'], plain);

  const ways: [string, () => string[]][] = [
    ['an ECC key', () => ['-r', 'plain']],
    ['an RSA key with a passphrase', () => ['-r', 'locked']],
    ['a hidden key', () => ['-R', 'locked']],
    ['keys whose ids are left out', () => ['-r', 'plain', '-r', 'locked', '--throw-keyids']],
    ['no compression', () => ['-r', 'plain', '--compress-algo', 'none']],
    ['ZIP, AES-128', () => ['-r', 'plain', '--compress-algo', 'zip', '--cipher-algo', 'AES']],
    ['ZLIB, AES-192', () => ['-r', 'plain', '--compress-algo', 'zlib', '--cipher-algo', 'AES192']],
    [
      'another passphrase too',
      () => ['-r', 'plain', '--s2k-count', '65536', '--passphrase', 'another', '--symmetric'],
    ],
  ];
  for (const [what, options] of ways) {
    test(what, async (t) => {
      if (!needs(t, 'gpg')) return;
      const file = encrypted(large, ...options());
      keyring.forget();
      assert.ok((await trial.open(settings(), file)).plain.equals(large));
      assert.deepEqual(noted.runs(), ['unwrap']);

      // Ahead, as a restore does; then in the main thread, and as any thread does it by itself.
      const opener = createOpener(settings());
      const path = trial.stored(file);
      const checked = await opener.check(path, marks, 'x.gpg', true);
      assert.equal(checked?.isWhole, true);
      const { bytes } = await opener.open(path, marks, 'x.gpg', checked);
      assert.ok((await collectBytes(bytes, 1e7)).equals(large));
      const readable = await opener.readable(path, marks, 'x.gpg', checked);
      assert.ok(readable !== undefined);
      assert.ok((await collectBytes(unpackedHere(readable), 1e7)).equals(large));
      assert.deepEqual(noted.runs(), ['unwrap']);
    });
  }

  test('written by us, for several of which we are the second', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = trial.settings({
      kind: 'keys',
      encryptKeys: [lockedKey.fingerprint, plainKey.fingerprint],
      hiddenEncryptKeys: [],
    });
    const file = await seal(sealing, large);
    const secret = gpg(['--export-secret-keys', plainKey.fingerprint]);
    const inner = new TrialKeyring();
    try {
      gpg(['--import'], secret);
      assert.ok((await trial.open(settings(), file)).plain.equals(large));
      assert.deepEqual(noted.runs(), ['unwrap']);
    } finally {
      inner.remove();
    }
  });

  test('small ones are left to gpg', async (t) => {
    if (!needs(t, 'gpg')) return;
    assert.deepEqual((await trial.open(settings(), encrypted(text, '-r', 'plain'))).plain, text);
    assert.deepEqual(noted.runs(), ['whole']);
  });

  const beyond: string[][] = [
    ['--cipher-algo', 'CAMELLIA256'],
    ['--cipher-algo', 'CAST5'],
    ['--compress-algo', 'bzip2'],
    ['--armor'],
  ];
  for (const options of beyond) {
    test(`what the library cannot read is left to gpg: ${options.join(' ')}`, async (t) => {
      if (!needs(t, 'gpg')) return;
      const file = encrypted(large, '-r', 'plain', ...options);
      const opener = createOpener(settings());
      const path = trial.stored(file);
      for (let i = 0; i < 2; i++) {
        const checked = await opener.check(path, marks, 'x.gpg', true);
        assert.equal(await opener.readable(path, marks, 'x.gpg', checked), undefined);
        const { bytes } = await opener.open(path, marks, 'x.gpg', checked);
        assert.ok((await collectBytes(bytes, 1e7)).equals(large));
      }
      const runs = noted.runs();
      assert.deepEqual(
        runs.filter((run) => run === 'whole'),
        ['whole', 'whole'],
      );
      // What was in vain once is not tried again.
      assert.ok(runs.length <= 3, `${runs}`);
    });
  }

  test('signatures are left to gpg, expected or not', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = encrypted(large, '-r', 'plain', '--local-user', 'plain', '--sign');
    const path = trial.stored(file);
    const unexpected = createOpener(settings());
    const checked = await unexpected.check(path, marks, 'x.gpg', true);
    assert.equal(await unexpected.readable(path, marks, 'x.gpg', checked), undefined);
    const opened = await unexpected.open(path, marks, 'x.gpg', checked);
    assert.equal(opened.signedBy, plainKey.fingerprint);
    assert.ok((await collectBytes(opened.bytes, 1e7)).equals(large));
    noted.runs();

    const expecting = { ...settings(), kind: 'passphrase', signKey: plainKey.fingerprint } as SealSettings;
    assert.equal(await createOpener(expecting).check(path, marks, 'x.gpg', false), undefined);
    assert.equal((await trial.open(expecting, file)).signedBy, plainKey.fingerprint);
    assert.deepEqual(noted.runs(), ['whole']);
  });

  test('altered or cut short, nothing is let out, though its hash were right', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = encrypted(large, '-r', 'plain', '--compress-algo', 'none');
    const letOut: Uint8Array[] = [];
    for (const at of [3, 100, 200, 5000, file.length >> 1, file.length - 30, file.length - 1]) {
      const altered = Buffer.from(file);
      altered[at]! ^= 0x10;
      for (const bad of [altered, file.subarray(0, at)]) {
        await assert.rejects(trial.open(settings(), bad, letOut), refusal(/x\.gpg/), `byte ${at}`);
        const opener = createOpener(settings());
        const path = trial.stored(bad);
        await assert.rejects(
          async () => {
            const checked = await opener.check(path, marks, 'x.gpg', true);
            assert.equal(await opener.readable(path, marks, 'x.gpg', checked), undefined);
            await opener.open(path, marks, 'x.gpg', checked);
          },
          refusal(/x\.gpg/),
          `byte ${at}, ahead`,
        );
      }
    }
    assert.equal(letOut.length, 0);
    noted.runs();
  });

  test('another file in the place of a checked one is checked again', async (t) => {
    if (!needs(t, 'gpg')) return;
    const opener = createOpener(settings());
    const path = trial.stored(encrypted(large, '-r', 'plain'));
    const checked = await opener.check(path, marks, 'x.gpg', true);
    const other = encrypted(large, '-r', 'plain');
    other[other.length - 100]! ^= 1;
    trial.stored(other);
    assert.equal(await opener.readable(path, marks, 'x.gpg', checked), undefined);
    await assert.rejects(opener.open(path, marks, 'x.gpg', checked), refusal(/x\.gpg .*altered/));
    noted.runs();
  });

  test('no passphrase, a wrong one, no secret key: told as ever, and asked once', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = encrypted(large, '-r', 'locked');
    const path = trial.stored(file);
    keyring.forget();
    const wrong = settings({ passphrase: new Secret('guess') });
    await assert.rejects(trial.open(wrong, file), refusal(/passphrase does not open x\.gpg/));
    assert.deepEqual(noted.runs(), ['unwrap']);
    const none = settings({ passphrase: undefined });
    await assert.rejects(trial.open(none, file), refusal(/x\.gpg takes a passphrase/, /PASSPHRASE/));

    // What waits its turn is not asked for once the first one failed.
    noted.runs();
    const opener = createOpener(wrong);
    const checks = ['a.gpg', 'b.gpg', 'c.gpg'].map((name) => opener.check(path, marks, name, true));
    const [first, ...others] = await Promise.allSettled(checks);
    assert.equal(first?.status, 'rejected');
    assert.deepEqual(others, Array(2).fill({ status: 'fulfilled', value: undefined }));
    assert.deepEqual(noted.runs(), ['unwrap']);

    const inner = new TrialKeyring();
    try {
      const id = /no secret key for x\.gpg.*[0-9A-F]{16}\n(gpg: .*\n)*gpg: encrypted with/;
      await assert.rejects(trial.open(settings(), file), refusal(id, /gpg --import/));
    } finally {
      inner.remove();
    }
  });

  test('the session key is in no file and no command line', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = encrypted(large, '-r', 'plain');
    const [, sessionKey = ''] =
      /session key: '\d+:([0-9A-F]{64})'/.exec(
        gpg(
          ['--show-session-key', '--logger-fd', '1', '--output', '/dev/null', '--decrypt'],
          file,
        ).toString(),
      ) ?? [];
    assert.equal(sessionKey.length, 64);
    const log = join(trial.folder, 'gpg.log');
    const lines = join(trial.folder, 'lines');
    const telling = new NotedGnupg('telling', `tr '\\0' ' ' </proc/$$/cmdline >>${lines}; exec gpg "$@"`);
    const userOptions = `--logger-file=${log}`;
    const opened = await trial.open(settings({ gnupg: { program: telling.program, userOptions } }), file);
    assert.ok(opened.plain.equals(large));
    assert.deepEqual(telling.runs(), ['unwrap']);
    for (const name of readdirSync(trial.folder)) {
      assert.ok(!readFileSync(join(trial.folder, name)).includes(sessionKey), name);
    }
  });

  test('a gpg that tells nonsense for a session key', async (t) => {
    if (!needs(t, 'gpg')) return;
    const toKey = Buffer.concat([
      packet(1, Buffer.alloc(20)),
      packet(18, Buffer.concat([Buffer.of(1), large])),
    ]);
    for (const told of ['9:00', `9:${'0'.repeat(64)}`, '99:AB', '', 'x', `7:${'A'.repeat(32)}`]) {
      const liar = new NotedGnupg(
        `liar${told}`,
        `cat >/dev/null; echo "[GNUPG:] SESSION_KEY ${told}" >&3; exit 2`,
      );
      await assert.rejects(
        trial.open(settings({ gnupg: { program: liar.program } }), toKey),
        refusal(/gpg did not decrypt x\.gpg/),
        told,
      );
      assert.deepEqual(liar.runs(), ['unwrap', 'whole']);
    }
  });
});
