import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { collect } from './blocks.fixture.js';
import { NappingStreams } from './napping.js';
import { Stash } from './stash.js';

/** Streams of random lengths and pieces, and what was done with them. */
class Sources {
  open = 0;
  mostOpen = 0;
  opened = 0;
  readBytes = 0;

  stream(bytes: Uint8Array, pieceBytes: number): () => ByteStream {
    const sources = this;
    return async function* () {
      sources.open++;
      sources.opened++;
      sources.mostOpen = Math.max(sources.mostOpen, sources.open);
      try {
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          await new Promise((resolve) => setImmediate(resolve));
          const piece = bytes.slice(at, at + pieceBytes);
          sources.readBytes += piece.length;
          yield piece;
        }
      } finally {
        sources.open--;
      }
    };
  }
}

const endless = Number.POSITIVE_INFINITY;
/** Nothing is ever worth staying open for. */
const limits = { mostOpen: 3, farBytes: endless, openingBytes: endless };
const bytesOf = (seed: number, size: number) =>
  Uint8Array.from({ length: size }, (_, at) => at * 7 + seed + (at >> 8));

/** Takes pieces of the streams in an order, and then the rest of each; returns all that came. */
async function readInOrder(streams: readonly ByteStream[], order: readonly number[]): Promise<Buffer[]> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const came = streams.map((): Uint8Array[] => []);
  const take = async (index: number): Promise<boolean> => {
    const { value, done } = await iterators[index]!.next();
    if (!done) came[index]!.push(Buffer.from(value as Uint8Array));
    return done !== true;
  };
  for (const index of order) await take(index % streams.length);
  for (const index of streams.keys()) while (await take(index));
  return came.map((pieces) => Buffer.concat(pieces));
}

describe('NappingStreams', () => {
  it('gives each stream whole, in whatever order they are read', async () => {
    const shape = fc.record({ sizeBytes: fc.nat(3000), pieceBytes: fc.integer({ min: 1, max: 900 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(shape, { minLength: 1, maxLength: 9 }),
        fc.array(fc.nat(8), { maxLength: 60 }),
        async (shapes, order) => {
          const sources = new Sources();
          const naps = new NappingStreams(limits);
          const all = shapes.map(({ sizeBytes }, seed) => bytesOf(seed, sizeBytes));
          const streams = shapes.map(({ pieceBytes }, index) =>
            naps.stream(sources.stream(all[index]!, pieceBytes)),
          );
          const came = await readInOrder(streams, order);
          for (const [index, bytes] of all.entries()) assert.ok(came[index]!.equals(bytes));
          assert.ok(sources.mostOpen <= limits.mostOpen);
          assert.equal(sources.open, 0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('serves readers side by side', { timeout: 30_000 }, async () => {
    const sources = new Sources();
    const naps = new NappingStreams(limits);
    const all = Array.from({ length: 40 }, (_, seed) => bytesOf(seed, 2000 + seed));
    const came = await Promise.all(all.map((bytes) => collect(naps.stream(sources.stream(bytes, 100)))));
    for (const [index, bytes] of all.entries()) assert.ok(came[index]!.equals(bytes));
    assert.ok(sources.mostOpen <= limits.mostOpen);
  });

  it('passes over no more than twice of what it gives, and two openings', async () => {
    const sources = new Sources();
    const openingBytes = 3000;
    const naps = new NappingStreams({ ...limits, openingBytes });
    const all = Array.from({ length: 12 }, (_, seed) => bytesOf(seed, 50_000));
    const streams = all.map((bytes) => naps.stream(sources.stream(bytes, 100)));
    // All of them in turn, as the sets of a chain that have the same files.
    const order = Array.from({ length: 12 * 501 }, (_, turn) => turn % 12);
    const came = await readInOrder(streams, order);
    for (const [index, bytes] of all.entries()) assert.ok(came[index]!.equals(bytes));
    const reopened = sources.opened - all.length;
    assert.ok(reopened >= 12, `${reopened} opened again`);
    const given = all.length * 50_000;
    const passedOver = sources.readBytes - given;
    assert.ok(passedOver + reopened * openingBytes <= 2 * (given + 12 * openingBytes), `${passedOver} bytes`);
    assert.ok(sources.mostOpen > limits.mostOpen);
  });

  it('leaves open what has come far', async () => {
    const sources = new Sources();
    const naps = new NappingStreams({ ...limits, farBytes: 500 });
    const all = Array.from({ length: 6 }, (_, seed) => bytesOf(seed, 5000));
    const streams = all.map((bytes) => naps.stream(sources.stream(bytes, 100)));
    const each = (times: number) => Array.from({ length: 6 * times }, (_, turn) => Math.floor(turn / times));
    await readInOrder(streams, [...each(6), ...each(1), ...each(1)]);
    assert.equal(sources.opened, 6);
  });

  describe('with a stash', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tundra-stash-'));
    after(() => rmSync(folder, { recursive: true }));
    let made = 0;
    const stashOf = (mostBytes: number) => new Stash(() => join(folder, `stash${made++}`), mostBytes);
    /** To open anything again is never worth it. */
    const strict = { mostOpen: 3, farBytes: 0, openingBytes: 0 };

    it('gives each stream whole, opens none again, and keeps no more open', async () => {
      const shape = fc.record({ sizeBytes: fc.nat(3000), pieceBytes: fc.integer({ min: 1, max: 900 }) });
      await fc.assert(
        fc.asyncProperty(
          fc.array(shape, { minLength: 1, maxLength: 9 }),
          fc.array(fc.nat(8), { maxLength: 60 }),
          fc.integer({ min: 1, max: 1000 }),
          async (shapes, order, pieceBytes) => {
            const sources = new Sources();
            const stash = stashOf(endless);
            const naps = new NappingStreams(strict, { stash, mostBytes: endless, pieceBytes });
            const all = shapes.map(({ sizeBytes }, seed) => bytesOf(seed, sizeBytes));
            const streams = shapes.map((each, index) =>
              naps.stream(sources.stream(all[index]!, each.pieceBytes)),
            );
            const came = await readInOrder(streams, order);
            for (const [index, bytes] of all.entries()) assert.ok(came[index]!.equals(bytes));
            assert.ok(sources.mostOpen <= strict.mostOpen);
            assert.ok(sources.opened <= streams.length);
            assert.equal(sources.open, 0);
            stash.close();
          },
        ),
        { numRuns: 60 },
      );
      assert.deepEqual(readdirSync(folder), []);
    });

    it('leaves open what is too much for it', async () => {
      for (const [mostBytes, stashBytes] of [
        [700, endless],
        [endless, 1500],
      ] as const) {
        const sources = new Sources();
        const stash = stashOf(stashBytes);
        const naps = new NappingStreams(strict, { stash, mostBytes, pieceBytes: 100 });
        const all = Array.from({ length: 8 }, (_, seed) => bytesOf(seed, seed % 2 === 0 ? 500 : 2000));
        const streams = all.map((bytes) => naps.stream(sources.stream(bytes, 90)));
        const order = Array.from({ length: 80 }, (_, turn) => turn % 8);
        const came = await readInOrder(streams, order);
        for (const [index, bytes] of all.entries()) assert.ok(came[index]!.equals(bytes));
        assert.ok(stash.sizeBytes > 0 && stash.sizeBytes <= (stashBytes === 1500 ? 1500 : 8 * 700));
        assert.ok(sources.mostOpen > strict.mostOpen);
        assert.equal(sources.opened, all.length);
        stash.close();
      }
    });

    it('does without it where it cannot be written', async () => {
      const sources = new Sources();
      const stash = new Stash(() => join(folder, 'missing/stash'), endless);
      const naps = new NappingStreams(strict, { stash, mostBytes: endless, pieceBytes: 100 });
      const all = Array.from({ length: 6 }, (_, seed) => bytesOf(seed, 1000));
      const streams = all.map((bytes) => naps.stream(sources.stream(bytes, 90)));
      const came = await readInOrder(
        streams,
        Array.from({ length: 30 }, (_, turn) => turn % 6),
      );
      for (const [index, bytes] of all.entries()) assert.ok(came[index]!.equals(bytes));
      assert.equal(stash.sizeBytes, 0);
    });

    it('gives all that came before an error, and then that', async () => {
      const stash = stashOf(endless);
      const naps = new NappingStreams(
        { ...strict, mostOpen: 1 },
        { stash, mostBytes: endless, pieceBytes: 64 },
      );
      const bytes = bytesOf(3, 1000);
      const failing = naps
        .stream(async function* () {
          yield* new Sources().stream(bytes, 100)();
          throw new TundraError('format', 'broken');
        })
        [Symbol.asyncIterator]();
      const came = [Buffer.from((await failing.next()).value as Uint8Array)];
      await collect(naps.stream(new Sources().stream(bytesOf(1, 300), 100)));
      assert.equal(stash.sizeBytes, 1000 - 64);
      await assert.rejects(async () => {
        for (;;) came.push(Buffer.from((await failing.next()).value as Uint8Array));
      }, /broken/);
      assert.ok(Buffer.concat(came).equals(bytes));
      stash.close();
    });

    it('changes no piece that somebody is at work on', async () => {
      const stash = stashOf(endless);
      const naps = new NappingStreams(
        { ...strict, mostOpen: 1 },
        { stash, mostBytes: endless, pieceBytes: 100 },
      );
      const shared = Buffer.alloc(100);
      const stream = naps
        .stream(async function* () {
          for (let value = 1; value < 9; value++) yield shared.fill(value);
        })
        [Symbol.asyncIterator]();
      const piece = (await stream.next()).value as Uint8Array;
      await collect(naps.stream(new Sources().stream(bytesOf(1, 300), 100)));
      assert.ok(Buffer.alloc(100, 1).equals(piece));
      assert.ok(Buffer.alloc(100, 2).equals((await stream.next()).value as Uint8Array));
      await stream.return?.();
      stash.close();
    });
  });

  it('passes errors on, and makes room for others then', async () => {
    const sources = new Sources();
    const naps = new NappingStreams({ ...limits, mostOpen: 1 });
    const failing = naps.stream(async function* () {
      yield Buffer.from('a');
      throw new TundraError('format', 'broken');
    });
    await assert.rejects(collect(failing), /broken/);
    assert.equal((await collect(naps.stream(sources.stream(bytesOf(1, 300), 100)))).length, 300);
  });

  it('tells of a stream that has become shorter', async () => {
    const naps = new NappingStreams({ ...limits, mostOpen: 1 });
    let size = 300;
    const shrinking = naps
      .stream(async function* () {
        for (let at = 0; at < size; at += 100) yield Buffer.alloc(100);
      })
      [Symbol.asyncIterator]();
    await shrinking.next();
    await shrinking.next();
    await collect(naps.stream(new Sources().stream(bytesOf(1, 300), 100)));
    size = 100;
    await assert.rejects(shrinking.next() as Promise<unknown>, /was cut short/);
  });

  it('frees what is left half read', async () => {
    const sources = new Sources();
    const naps = new NappingStreams(limits);
    const streams = Array.from({ length: 5 }, () => naps.stream(sources.stream(bytesOf(1, 300), 100)));
    const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
    for (const iterator of iterators) await iterator.next();
    for (const iterator of iterators) await iterator.return?.();
    assert.equal(sources.open, 0);
  });
});
