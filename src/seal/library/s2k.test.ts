import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { Secret } from '../../base/secret.js';
import { decodeCount, deriveKey, PassphraseKeys, parseS2k, passphraseBytes, type S2k } from './s2k.js';

const salt = Buffer.from('8bytes!!');
const passphrase = Buffer.from('pass words');

suite('key from passphrase', () => {
  test('coded counts', () => {
    assert.equal(decodeCount(0), 1024);
    assert.equal(decodeCount(0x60), 65536);
    assert.equal(decodeCount(0xff), 65_011_712);
  });

  test('the three modes hash what the RFC says', () => {
    const simple = parseS2k(Buffer.of(0, 8)) as S2k;
    assert.deepEqual(deriveKey(simple, passphrase, 32), createHash('sha256').update(passphrase).digest());

    const salted = parseS2k(Buffer.concat([Buffer.of(1, 8), salt])) as S2k;
    assert.deepEqual(
      deriveKey(salted, passphrase, 16),
      createHash('sha256').update(salt).update(passphrase).digest().subarray(0, 16),
    );

    const iterated = parseS2k(Buffer.concat([Buffer.of(3, 8), salt, Buffer.of(0x63)])) as S2k;
    const repeated = Buffer.alloc(decodeCount(0x63), Buffer.concat([salt, passphrase]));
    assert.deepEqual(deriveKey(iterated, passphrase, 32), createHash('sha256').update(repeated).digest());
  });

  test('a passphrase longer than the count is hashed whole', () => {
    const iterated = parseS2k(Buffer.concat([Buffer.of(3, 8), salt, Buffer.of(0)])) as S2k;
    const long = Buffer.alloc(3000, 'x');
    assert.deepEqual(deriveKey(iterated, long, 32), createHash('sha256').update(salt).update(long).digest());
  });

  test('a key longer than the hash goes on with zeros before', () => {
    const simple = parseS2k(Buffer.of(0, 1)) as S2k;
    const first = createHash('md5').update(passphrase).digest();
    const second = createHash('md5').update(Buffer.of(0)).update(passphrase).digest();
    assert.deepEqual(deriveKey(simple, passphrase, 32), Buffer.concat([first, second]));
  });

  test('what the library cannot do is named; what is cut short is refused', () => {
    assert.match(String(parseS2k(Buffer.of(101, 8, 1, 2))), /kind 101/);
    assert.match(String(parseS2k(Buffer.of(0, 77))), /hash number 77/);
    assert.throws(() => parseS2k(Buffer.of(3, 8, 1, 2)), { code: 'format' });
  });

  test('a passphrase ends at its first line end, as gpg reads it', () => {
    assert.equal(passphraseBytes(new Secret('one\ntwo')).toString(), 'one');
    assert.equal(passphraseBytes(new Secret('grün')).length, 5);
  });

  test('a key is derived once', () => {
    const keys = new PassphraseKeys(new Secret('x'));
    const s2k = parseS2k(Buffer.concat([Buffer.of(3, 8), salt, Buffer.of(0)])) as S2k;
    assert.equal(keys.derive(s2k, 32), keys.derive({ ...s2k }, 32));
    assert.notEqual(keys.derive(s2k, 32), keys.derive(s2k, 16));
  });
});
