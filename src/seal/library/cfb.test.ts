import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { BLOCK_BYTES, CfbEncryptor, codeBook, decryptCfb } from './cfb.js';

const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7));

/** What OpenSSL's own feedback mode makes of it. */
function reference(plain: Uint8Array): Buffer {
  return createCipheriv('aes-256-cfb', key, Buffer.alloc(BLOCK_BYTES)).update(plain);
}

suite('cipher feedback mode', () => {
  test('encrypting is what OpenSSL does, in any calls of whole blocks', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 6 }), fc.nat(15), (blocks, restBytes) => {
        const sizes = [...blocks.map((count) => count * BLOCK_BYTES), restBytes];
        const plain = Buffer.alloc(
          sizes.reduce((sum, size) => sum + size, 0),
          'some plain text, ',
        );
        const cipher = new CfbEncryptor(key);
        const sealed: Uint8Array[] = [];
        let offset = 0;
        for (const size of sizes) {
          const bytes = Uint8Array.from(plain.subarray(offset, offset + size));
          cipher.encrypt(bytes);
          sealed.push(bytes);
          offset += size;
        }
        assert.deepEqual(Buffer.concat(sealed), reference(plain));
      }),
    ));

  test('decrypting undoes it, whatever the length', () => {
    for (const size of [0, 1, 15, 16, 17, 31, 32, 1000, 65536]) {
      const plain = Buffer.alloc(size, 'and more of it; ');
      const frame = new Uint8Array(BLOCK_BYTES + size);
      frame.set(reference(plain), BLOCK_BYTES);
      assert.deepEqual(Buffer.from(decryptCfb(codeBook('aes-256-ecb', key), frame)), plain, `${size} bytes`);
    }
  });
});
