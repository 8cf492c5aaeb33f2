import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { collect, lentPieces } from './blocks.fixture.js';
import { type Channel, ChannelSender, createChannel, receive } from './channel.js';
import { startThread, type ThreadMessage } from './threads.fixture.js';

const slotBytes = 4096;

/** Sends, and receives here all that is there: there must be slots enough for it. */
async function throughSlots(stream: ByteStream, channel: Channel): Promise<Buffer> {
  const sender = new ChannelSender(channel);
  await sender.send(stream);
  return collect(receive(channel, () => sender.slotFreed()));
}

/** Sends to a thread that receives, and returns what that tells in the end. */
async function toThread(stream: ByteStream, channel: Channel, pieces = Number.POSITIVE_INFINITY) {
  const sender = new ChannelSender(channel);
  let result: ThreadMessage | undefined;
  let waits = 0;
  const thread = startThread({ kind: 'receive', channel, pieces }, (message) => {
    if (message.kind === 'free') {
      waits++;
      sender.slotFreed();
    } else {
      result = message;
      sender.stop();
    }
  });
  await Promise.all([sender.send(stream), thread.ended]);
  return { result, waits };
}

/** A stream that tells whether it was ended. */
function watched(stream: ByteStream): { stream: ByteStream; isEnded: () => boolean } {
  let ended = false;
  async function* watching(): ByteStream {
    try {
      yield* stream;
    } finally {
      ended = true;
    }
  }
  return { stream: watching(), isEnded: () => ended };
}

async function* failing(error: unknown, after = 0): ByteStream {
  if (after > 0) yield Buffer.alloc(after, 1);
  throw error;
}

describe('Channel', () => {
  it('carries any bytes in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(30_000), fc.integer({ min: 1, max: 10_000 }), async (size, piece) => {
        const bytes = randomBytes(size);
        const slots = Math.ceil(size / Math.min(piece, slotBytes)) + Math.ceil(size / piece) + 1;
        const channel = createChannel(slotBytes, Math.min(slots, 60_000));
        assert.ok((await throughSlots(lentPieces(bytes, piece), channel)).equals(bytes));
      }),
      { numRuns: 40 },
    );
  });

  it('passes over empty pieces, which must not look like the end', async () => {
    async function* pieces(): ByteStream {
      yield Buffer.alloc(0);
      yield Buffer.from('a');
      yield Buffer.alloc(0);
      yield Buffer.from('b');
    }
    assert.equal((await throughSlots(pieces(), createChannel(slotBytes, 4))).toString(), 'ab');
  });

  it('carries more than it holds to another thread', { timeout: 30_000 }, async () => {
    const bytes = randomBytes(1_000_000);
    const { result, waits } = await toThread(lentPieces(bytes, 30_000), createChannel(slotBytes, 2));
    assert.deepEqual(result, {
      kind: 'received',
      sizeBytes: bytes.length,
      sha1Hex: createHash('sha1').update(bytes).digest('hex'),
      longestBytes: slotBytes,
    });
    assert.ok(waits > 0);
  });

  it('carries an error behind the bytes before it', { timeout: 30_000 }, async () => {
    const error = new TundraError('encryption', 'vol3 is damaged', {
      advice: 'Fetch it again.',
      retry: 'later',
    });
    const channel = createChannel(slotBytes, 4);
    await new ChannelSender(channel).send(failing(error, 5000));
    const received = receive(channel, () => {})[Symbol.asyncIterator]();
    assert.equal((await received.next()).value?.length, slotBytes);
    assert.equal((await received.next()).value?.length, 5000 - slotBytes);
    await assert.rejects(received.next(), (found: TundraError) => {
      assert.ok(found instanceof TundraError);
      const { code, message, advice, retry } = found;
      assert.deepEqual(
        [code, message, advice, retry],
        ['encryption', 'vol3 is damaged', 'Fetch it again.', 'later'],
      );
      return true;
    });
    const { result } = await toThread(failing(new Error('plain'), 50_000), createChannel(slotBytes, 2));
    assert.deepEqual(result, { kind: 'failed', message: 'plain', code: undefined });
  });

  it('cuts an error that no slot holds', async () => {
    for (const text of ['long ', '"\u0001\u20ac', '\ud83d\ude00']) {
      const message = text.repeat(10_000);
      const error = new TundraError('format', message, { advice: message });
      const channel = createChannel(1024, 2);
      await assert.rejects(throughSlots(failing(error), channel), (found: TundraError) => {
        assert.equal(found.code, 'format');
        assert.ok(found.message.length >= 20 && message.startsWith(found.message));
        return true;
      });
    }
  });

  it('ends the stream when the receiver wants no more', { timeout: 30_000 }, async () => {
    for (const pieces of [1, 2, 7]) {
      const { stream, isEnded } = watched(lentPieces(Buffer.alloc(500_000), 10_000));
      const { result } = await toThread(stream, createChannel(slotBytes, 2), pieces);
      assert.equal(result?.kind, 'received');
      assert.ok(isEnded());
    }
  });

  it('settles when it is stopped while it waits, also for room for an error or the end', async () => {
    for (const stream of [
      lentPieces(Buffer.alloc(slotBytes * 3), slotBytes),
      lentPieces(Buffer.alloc(slotBytes * 2), slotBytes),
      failing(new Error('broken'), slotBytes * 2),
    ]) {
      const sender = new ChannelSender(createChannel(slotBytes, 2));
      const { stream: watching, isEnded } = watched(stream);
      const sent = sender.send(watching);
      await new Promise((resolve) => setImmediate(resolve));
      // A call that comes although nothing is free changes nothing.
      sender.slotFreed();
      await new Promise((resolve) => setImmediate(resolve));
      sender.stop();
      await sent;
      assert.ok(isEnded());
    }
  });

  it('settles when it is stopped before it began', async () => {
    const sender = new ChannelSender(createChannel(slotBytes, 2));
    sender.stop();
    const { stream, isEnded } = watched(lentPieces(Buffer.alloc(10)));
    await sender.send(stream);
    assert.ok(isEnded());
  });
});
