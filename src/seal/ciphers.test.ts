import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { hasProgram, needs } from '../../test/peers.js';
import { collectBytes } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { createCipher, createOpener } from './ciphers.js';
import { gpg, type TrialKey, TrialKeyring } from './gnupg/trial-keyring.js';
import {
  literal,
  packet,
  protectedPacket,
  simpleKey,
  simplePassphrase,
  unprotectedPacket,
} from './library/handmade-packets.js';
import type { Sealing, SealSettings } from './settings.js';

const folder = mkdtempSync(join(tmpdir(), 'tundra-seal-'));
after(() => rmSync(folder, { recursive: true }));

const text = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${(i * 7919) % 99_973}\n`).join(''));
const PASSPHRASE = 'pass words';

let warnings: string[] = [];

function settings(sealing: Sealing, more: Partial<SealSettings> = {}): SealSettings {
  return {
    passphrase: new Secret(PASSPHRASE),
    tempDir: folder,
    onWarning: (warning) => void warnings.push(warning),
    ...more,
    ...sealing,
  } as SealSettings;
}

const byPassphrase = settings({ kind: 'passphrase' });

async function seal(sealSettings: SealSettings, plain: Uint8Array, pieceBytes = 10_000): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const writer = createCipher(sealSettings).seal((piece) => void pieces.push(piece));
  try {
    for (let offset = 0; offset < plain.length; offset += pieceBytes) {
      await writer.write(plain.subarray(offset, offset + pieceBytes));
    }
    const bound = writer.bytesOut + writer.bytesPending;
    await writer.finish();
    assert.ok(writer.bytesOut <= bound, `${writer.bytesOut} bytes came out, at most ${bound} were to come`);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return Buffer.concat(pieces);
}

async function open(openSettings: SealSettings, file: Uint8Array, letOut: Uint8Array[] = []) {
  const path = join(folder, 'sealed');
  writeFileSync(path, file);
  const opened = await createOpener(openSettings).open(path, { encrypted: true, compressed: false }, 'x.gpg');
  for await (const piece of opened.bytes) letOut.push(Uint8Array.from(piece));
  return { plain: Buffer.concat(letOut), signedBy: opened.signedBy };
}

function error(pattern: RegExp, advice = /./): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof TundraError, String(thrown));
    assert.equal(thrown.code, 'encryption');
    assert.match(thrown.message, pattern);
    assert.match(thrown.advice ?? '', advice);
    return true;
  };
}

suite('without keys', () => {
  test('what a cipher is called in file names, and that each kind comes back', async () => {
    const marks: [Sealing, boolean, boolean][] = [
      [{ kind: 'none' }, false, false],
      [{ kind: 'gzip', level: 1 }, false, true],
      [{ kind: 'passphrase' }, true, false],
    ];
    for (const [sealing, encrypted, compressed] of marks) {
      const cipher = createCipher(settings(sealing));
      assert.equal(cipher.encrypted, encrypted);
      assert.equal(cipher.compressed, compressed);
      const path = join(folder, 'plain');
      writeFileSync(path, await seal(settings(sealing), text));
      const opened = await createOpener(settings({ kind: 'none' })).open(path, cipher, 'x');
      assert.deepEqual(await collectBytes(opened.bytes, 1e7), text);
    }
    assert.equal(
      createCipher(settings({ kind: 'keys', encryptKeys: ['a'], hiddenEncryptKeys: [] })).encrypted,
      true,
    );
  });

  test('no passphrase', async () => {
    const none = settings({ kind: 'passphrase' }, { passphrase: undefined });
    const empty = settings({ kind: 'passphrase' }, { passphrase: new Secret('') });
    const file = await seal(byPassphrase, text);
    for (const without of [none, empty]) {
      await assert.rejects(seal(without, text), error(/no passphrase was given/, /PASSPHRASE/));
      await assert.rejects(open(without, file), error(/x\.gpg takes a passphrase/, /PASSPHRASE/));
    }
  });

  test('a run warns of a missing integrity check once', async () => {
    const file = Buffer.concat([
      simplePassphrase(9),
      unprotectedPacket(literal(text), simpleKey(PASSPHRASE)),
    ]);
    const path = join(folder, 'unprotected');
    writeFileSync(path, file);
    const opener = createOpener(byPassphrase);
    warnings = [];
    for (let i = 0; i < 3; i++) {
      const opened = await opener.open(path, { encrypted: true, compressed: false }, 'x.gpg');
      assert.deepEqual(await collectBytes(opened.bytes, 1e7), text);
    }
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /x\.gpg has no integrity check/);
  });

  test('where gpg is needed and missing, the error says what for', async () => {
    const without = settings({ kind: 'passphrase' }, { gnupg: { program: '/nowhere/gpg' } });
    const toKey = Buffer.concat([
      packet(1, Buffer.alloc(20)),
      packet(18, Buffer.concat([Buffer.of(1), text])),
    ]);
    await assert.rejects(
      open(without, toKey),
      error(/x\.gpg uses a public key.*\/nowhere\/gpg/, /Install GnuPG/),
    );
    const keys: Sealing = { kind: 'keys', encryptKeys: ['a'], hiddenEncryptKeys: [] };
    await assert.rejects(
      seal({ ...without, ...keys } as SealSettings, text),
      error(/cannot run/, /Install GnuPG/),
    );
    // What needs no gpg works without one.
    assert.deepEqual((await open(without, await seal(without, text))).plain, text);
  });
});

suite('with gpg', {
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
    settings(
      {
        kind: 'keys',
        encryptKeys: encryptKeys.map((key) => key.fingerprint),
        hiddenEncryptKeys: [],
        ...more,
      } as Sealing,
      others,
    );

  test('gpg opens what the library sealed', async (t) => {
    if (!needs(t, 'gpg')) return;
    for (const size of [0, 1, 190, 400, 8000, 9000, 70_000, text.length]) {
      const plain = text.subarray(0, size);
      const file = await seal(byPassphrase, plain);
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
      const alone = settings({ kind: 'passphrase' }, { gnupg: { program: '/nowhere/gpg' } });
      assert.deepEqual((await open(alone, file)).plain, text);
      const wrong = settings({ kind: 'passphrase' }, { ...alone, passphrase: new Secret('guess') });
      await assert.rejects(open(wrong, file), error(/passphrase does not open x\.gpg/));
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
      assert.deepEqual((await open(byPassphrase, file)).plain, text);
      const wrong = settings({ kind: 'passphrase' }, { passphrase: new Secret('guess') });
      await assert.rejects(open(wrong, file), error(/passphrase does not open x\.gpg/));
      const letOut: Uint8Array[] = [];
      const altered = Buffer.from(file);
      altered[file.length >> 1]! ^= 1;
      await assert.rejects(open(byPassphrase, altered, letOut), error(/x\.gpg/));
      await assert.rejects(open(byPassphrase, file.subarray(0, file.length >> 1), letOut), error(/x\.gpg/));
      assert.equal(letOut.length, 0);
    });
  }

  test('a public key: sealed by us, opened by gpg and by us', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = await seal(toKeys([plainKey]), text);
    assert.deepEqual(gpg(['--decrypt'], file), text);
    assert.deepEqual(await open(toKeys([plainKey]), file), { plain: text, signedBy: undefined });
    assert.equal(await createOpener(byPassphrase).checkKey(join(folder, 'sealed'), 'x.gpg'), undefined);
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
    await assert.rejects(open({ ...sealing, passphrase: guess }, file), error(/hidden key/, /PASSPHRASE/));
    assert.deepEqual((await open(sealing, file)).plain, text);

    const named = toKeys([lockedKey]);
    const toNamed = await seal(named, text);
    keyring.forget();
    await assert.rejects(
      open({ ...named, passphrase: guess }, toNamed),
      error(/passphrase does not open x\.gpg/),
    );
    await assert.rejects(open({ ...named, passphrase: undefined }, toNamed), error(/x\.gpg/, /PASSPHRASE/));
    assert.deepEqual((await open(named, toNamed)).plain, text);
  });

  test('a passphrase or a key, either opens', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = gpg(['--passphrase', PASSPHRASE, '-r', 'plain', '--encrypt', '--symmetric'], text);
    const alone = settings({ kind: 'passphrase' }, { gnupg: { program: '/nowhere/gpg' } });
    assert.deepEqual((await open(alone, file)).plain, text);
    assert.deepEqual((await open(settings({ kind: 'none' }, { passphrase: undefined }), file)).plain, text);
  });

  test('signed: the signer is told, by the key that was expected', async (t) => {
    if (!needs(t, 'gpg')) return;
    const signKey = plainKey.fingerprint.slice(-16);
    const sealing = toKeys([plainKey], { signKey });
    assert.equal((await open(sealing, await seal(sealing, text))).signedBy, plainKey.fingerprint);

    const [primary, , subkey] = keyring.fingerprints('locked');
    const withSubkey = toKeys(
      [plainKey],
      { signKey: primary },
      { signPassphrase: new Secret(PASSPHRASE), passphrase: undefined },
    );
    const file = await seal(withSubkey, text);
    assert.equal((await open(withSubkey, file)).signedBy, primary);
    assert.equal((await open(toKeys([plainKey], { signKey: subkey!.slice(-8) }), file)).signedBy, subkey);
    assert.equal((await open(toKeys([plainKey]), file)).signedBy, subkey);

    keyring.forget();
    const wrong = toKeys([plainKey], { signKey: primary }, { signPassphrase: new Secret('guess') });
    await assert.rejects(
      seal(wrong, text),
      error(/passphrase does not open the key to sign with/, /SIGN_PASSPHRASE/),
    );
  });

  test('passphrase and signature', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = settings({ kind: 'passphrase', signKey: plainKey.fingerprint });
    const file = await seal(sealing, text);
    const opened = await open(sealing, file);
    assert.deepEqual(opened.plain, text);
    assert.equal(opened.signedBy, plainKey.fingerprint);
    // Without gpg the file is as whole, only its signature is not read.
    warnings = [];
    const alone = await open({ ...sealing, gnupg: { program: '/nowhere/gpg' } }, file);
    assert.deepEqual(alone, { plain: text, signedBy: undefined });
    assert.match(warnings.join(), /signature of x\.gpg is not checked/);

    const two = { ...sealing, signPassphrase: new Secret('another') };
    await assert.rejects(seal(two, text), { code: 'user-error' });
  });

  test('a signature whose key is not there is no signature, and no error', async (t) => {
    if (!needs(t, 'gpg')) return;
    const file = await seal(settings({ kind: 'passphrase', signKey: plainKey.fingerprint }), text);
    const inner = new TrialKeyring();
    try {
      warnings = [];
      assert.deepEqual(await open(byPassphrase, file), { plain: text, signedBy: undefined });
      assert.match(warnings.join(), /signature of x\.gpg could not be checked/);
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
      await assert.rejects(open(toKeys([plainKey]), file), error(id, /gpg --import/));
    } finally {
      inner.remove();
    }
  });

  test('keys that are unknown or not trusted', async (t) => {
    if (!needs(t, 'gpg')) return;
    const unknown = toKeys([{ fingerprint: 'DEADBEEF', name: '' }]);
    await assert.rejects(seal(unknown, text), error(/DEADBEEF: it is not in the key ring/, /--list-keys/));
    const large = Buffer.alloc(3_000_000, text);
    await assert.rejects(seal(unknown, large), error(/DEADBEEF/));
    const noSigner = toKeys([plainKey], { signKey: 'DEADBEEF' });
    await assert.rejects(seal(noSigner, text), error(/does not sign with the key DEADBEEF/));

    const publicKey = gpg(['--export', plainKey.fingerprint]);
    const inner = new TrialKeyring();
    try {
      gpg(['--import'], publicKey);
      await assert.rejects(
        seal(toKeys([plainKey]), text),
        error(/it is not trusted/, /lsign-key.*trust-model/),
      );
      await seal(toKeys([plainKey], {}, { gnupg: { userOptions: ' --trust-model=always ' } }), text);
    } finally {
      inner.remove();
    }
  });

  test('the options of the user count', async (t) => {
    if (!needs(t, 'gpg')) return;
    const userOptions = '--cipher-algo  CAMELLIA256\t--compress-algo bzip2';
    const chosen = settings({ kind: 'passphrase' }, { gnupg: { userOptions } });
    const file = await seal(chosen, text);
    const packets = gpg(['--passphrase', PASSPHRASE, '--list-packets'], file).toString();
    assert.match(packets, /cipher 13/);
    assert.match(packets, /algo=3/);
    assert.deepEqual((await open(byPassphrase, file)).plain, text);
  });

  test('an altered or shortened message to a key lets nothing out', async (t) => {
    if (!needs(t, 'gpg')) return;
    const sealing = toKeys([plainKey], { signKey: plainKey.fingerprint });
    const file = await seal(sealing, text.subarray(0, 200));
    const letOut: Uint8Array[] = [];
    for (let position = 0; position < file.length; position += 23) {
      const altered = Buffer.from(file);
      altered[position]! ^= 0x10;
      await assert.rejects(open(sealing, altered, letOut), error(/x\.gpg/), `byte ${position}`);
      await assert.rejects(
        open(sealing, file.subarray(0, position), letOut),
        error(/x\.gpg/),
        `cut at ${position}`,
      );
    }
    assert.equal(letOut.length, 0);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.plain')),
      [],
    );
  });

  test('gpg opens data without integrity check, but not protected data made to look so', async (t) => {
    if (!needs(t, 'gpg')) return;
    // BZIP2 is what makes this one for gpg.
    const inside = gpg(['--compress-algo', 'bzip2', '--store'], text);
    const key = simpleKey(PASSPHRASE);
    assert.equal(inside[0], 0xa3);
    const old = Buffer.concat([simplePassphrase(9), unprotectedPacket(inside, key)]);
    warnings = [];
    assert.deepEqual((await open(byPassphrase, old)).plain, text);
    assert.match(warnings.join(), /no integrity check/);

    const damaged = Buffer.from(protectedPacket(inside, key));
    damaged[damaged.length - 1]! ^= 1;
    await assert.rejects(open(byPassphrase, Buffer.concat([simplePassphrase(9), damaged])), error(/x\.gpg/));
  });

  test('a gpg that dies early is an error, not a crash', async (t) => {
    if (!needs(t, 'gpg')) return;
    const fails = toKeys([plainKey], {}, { gnupg: { userOptions: '--no-such-option' } });
    await assert.rejects(seal(fails, text), error(/does not say which version/));
    const diesLater = toKeys([plainKey], {}, { gnupg: { userOptions: '--compress-algo nonsense' } });
    await assert.rejects(seal(diesLater, Buffer.alloc(5_000_000, text)), error(/nonsense|gpg/));
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
    for (const sealing of [
      toKeys([plainKey]),
      byPassphrase,
      settings({ kind: 'gzip' }),
      settings({ kind: 'none' }),
    ]) {
      const writer = createCipher(sealing).seal(async () => {
        throw new Error('storage full');
      });
      await assert.rejects(async () => {
        for (let i = 0; i < 40; i++) await writer.write(Buffer.alloc(300_000, text));
        await writer.finish();
      }, /storage full/);
      await writer.abort();
    }
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

  test('a large message both ways in bounded memory', async (t) => {
    if (!needs(t, 'gpg')) return;
    const path = join(folder, 'large.gpg');
    const piece = createHash('shake256', { outputLength: 1 << 20 })
      .update('large')
      .digest();
    const { openSync, writeSync, closeSync } = await import('node:fs');
    const file = openSync(path, 'w');
    const writer = createCipher(byPassphrase).seal((sealed) => void writeSync(file, sealed));
    const rssBefore = process.memoryUsage.rss();
    let rss = 0;
    for (let i = 0; i < 64; i++) {
      piece.writeUInt32LE(i, 0);
      await writer.write(piece);
      await writer.write(Buffer.alloc(1 << 20));
      rss = Math.max(rss, process.memoryUsage.rss());
    }
    await writer.finish();
    closeSync(file);
    const opened = await createOpener(byPassphrase).open(
      path,
      { encrypted: true, compressed: false },
      'large',
    );
    let size = 0;
    for await (const plain of opened.bytes) {
      size += plain.length;
      rss = Math.max(rss, process.memoryUsage.rss());
    }
    assert.equal(size, 128 << 20);
    assert.ok(rss - rssBefore < 120 << 20, `${(rss - rssBefore) >> 20} MiB more than before`);
    assert.ok(existsSync(path) && readFileSync(path).length > 64 << 20);
  });
});
