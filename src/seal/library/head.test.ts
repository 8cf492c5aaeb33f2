import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ByteStream } from '../../base/bytes.js';
import { PieceReader } from '../byte-reader.js';
import {
  type LengthForm,
  literal,
  packet,
  protectedPacket,
  simpleKey,
  simplePassphrase,
  unprotectedPacket,
} from './handmade-packets.js';
import { type MessageHead, readHead, withoutContent } from './head.js';

async function* streamOf(bytes: Uint8Array): ByteStream {
  yield bytes;
}

const headOf = (bytes: Uint8Array): Promise<MessageHead> => readHead(new PieceReader(streamOf(bytes)));

const key = simpleKey('pw');
const text = Buffer.alloc(5000, 'content that gpg need not see ');
const keyForms: LengthForm[] = ['new', 'five bytes', 'old', 'old long', 'parts'];
/** The old ones have no room for the tag. */
const dataForms: LengthForm[] = ['new', 'five bytes', 'parts'];
const toKey = (form?: LengthForm) => packet(1, Buffer.alloc(700, 3), form);

suite('a message up to its data', () => {
  for (const form of keyForms) {
    test(`is a message by itself, with the same keys and prefix: ${form}`, async () => {
      const slot = simplePassphrase(9);
      const dataForm = dataForms.includes(form) ? form : 'new';
      const message = [toKey(form), slot, toKey(form), protectedPacket(literal(text), key, dataForm)];
      const head = await headOf(Buffer.concat(message));
      const short = withoutContent(head);
      assert.ok(short !== undefined);
      assert.deepEqual(
        short,
        Buffer.concat([
          toKey(),
          slot,
          toKey(),
          packet(18, Buffer.concat([Buffer.of(1), head.prefix, Buffer.alloc(22)])),
        ]),
      );
      const again = await headOf(short);
      assert.deepEqual(again.slots, head.slots);
      assert.deepEqual(again.otherWays, ['a public key', 'a public key']);
      assert.deepEqual(again.prefix, head.prefix);
    });
  }

  test('there is none where a session key would be of no use', async () => {
    for (const data of [
      unprotectedPacket(literal(text), key),
      packet(18, Buffer.concat([Buffer.of(2), text])),
      packet(20, Buffer.concat([Buffer.of(1), text])),
    ]) {
      assert.equal(withoutContent(await headOf(Buffer.concat([toKey(), data]))), undefined);
    }
    const byPassphrase = Buffer.concat([simplePassphrase(9), protectedPacket(literal(text), key)]);
    assert.equal(withoutContent(await headOf(byPassphrase)), undefined);
  });

  test('a key packet without end is refused', async () => {
    const endless = Buffer.concat([Buffer.of(0x87), Buffer.alloc(100_000)]);
    await assert.rejects(headOf(endless), { code: 'format', message: /more than 16384 bytes/ });
  });
});
