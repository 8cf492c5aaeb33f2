import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { openFilesAt } from '../base/open-files.fixture.js';
import { allKeys } from '../base/path-key.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import type { RestoreShare } from '../chain/restore-shares.js';
import type { OpenedFile, Opener } from '../seal/cipher.js';
import type { Channel } from '../volume/channel.js';
import type { VolumeFetcher } from '../volume/fetcher.js';
import { startThread, type ThreadMessage } from '../volume/threads.fixture.js';
import { VolumeServer } from './volume-server.js';

const volume = (number: number): PlannedVolume => ({
  number,
  name: `vol${number}`,
  startKey: '',
  lowestKey: '',
  startsEarlier: false,
  endKey: '',
  hash: undefined,
  encrypted: true,
  compressed: false,
});

const place = { share: 0, set: 0, volume: 1 };

const spool = mkdtempSync(join(tmpdir(), 'tundra-volume-server-'));
/** Too large for the thread to unpack it beside its work. */
const largeBytes = 1024 * 1024;
before(() => {
  for (const name of ['vol1', 'vol2']) writeFileSync(join(spool, name), Buffer.alloc(largeBytes));
});
after(() => rmSync(spool, { recursive: true }));

/** A server whose steps go to a log, and whose opener waits for the test. */
function serverOf(
  requiredSigner?: string,
  onUnreadable: (error: unknown) => void = (error) => assert.fail(String(error)),
  shares: readonly RestoreShare[] = [{ range: allKeys, sets: [[]] }],
) {
  const log: string[] = [];
  const waiting: ((file: OpenedFile) => void)[] = [];
  const fetcher = {
    take: async ({ name }: PlannedVolume) => ({ path: join(spool, name), checked: { stamp: '' } }),
    release: async ({ name }: PlannedVolume) => void log.push(`released ${name}`),
  } as unknown as VolumeFetcher;
  const opener = {
    open: () => new Promise<OpenedFile>((resolve) => waiting.push(resolve)),
    readable: async (path, { compressed }, name) =>
      compressed ? { path, name, sealing: { kind: 'gzip' } } : undefined,
  } as Partial<Opener> as Opener;
  const server = new VolumeServer(fetcher, opener, shares, '', requiredSigner, onUnreadable);
  /** Lets the next volume be open. */
  const letOpen = async (signedBy?: string) => {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    waiting.shift()?.({ bytes: bytes(), signedBy });
  };
  async function* bytes(): ByteStream {
    try {
      yield Buffer.from('plain');
    } finally {
      log.push('freed');
    }
  }
  return { server, log, letOpen };
}

describe('VolumeServer', () => {
  it('frees a volume that is just being opened when it is closed', async () => {
    const { server, log, letOpen } = serverOf();
    const answer = server.open(place, volume(1));
    let isClosed = false;
    const closing = server.close().then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isClosed, false);
    await letOpen();
    await closing;
    assert.deepEqual(log, ['freed', 'released vol1']);
    await answer;
  });

  it('leaves out a volume that has another signer, and keeps nothing of it', async () => {
    const told: unknown[] = [];
    const { server, log, letOpen } = serverOf('AAAA', (error) => told.push(error));
    const refused = server.open(place, volume(1));
    await letOpen('BBBB');
    assert.deepEqual(await refused, { ...place, isLeftOut: true });
    assert.ok(told[0] instanceof TundraError && told[0].code === 'unsigned-volume');
    assert.deepEqual(log, ['freed', 'released vol1']);
    const accepted = server.open({ ...place, volume: 2 }, volume(2));
    await letOpen('CCAAAA');
    assert.ok('channel' in (await accepted));
    await server.close();
    assert.deepEqual(log, ['freed', 'released vol1', 'freed', 'released vol2']);
  });

  it('lets several threads open by themselves what they can', async () => {
    const [own, sent] = [{ ...volume(1), compressed: true }, volume(2)];
    const share = { range: allKeys, sets: [[own, sent]] };
    const { server, log, letOpen } = serverOf(undefined, undefined, [share, share]);
    const answer = await server.open(place, own);
    const file = { path: join(spool, 'vol1'), name: 'vol1', sealing: { kind: 'gzip' } };
    assert.deepEqual(answer, { ...place, file });
    await server.open({ ...place, share: 1 }, own);
    const second = server.open({ ...place, volume: 2 }, sent);
    await letOpen();
    assert.ok('channel' in (await second));
    await server.release(place);
    assert.ok(!log.includes('released vol1'));
    await server.close();
    assert.deepEqual(log, ['freed', 'released vol1']);
  });

  it('lets a single thread open small volumes by itself, and no other ones', async () => {
    const own = { ...volume(1), compressed: true };
    const share = { range: allKeys, sets: [[own, { ...own, number: 2 }]] };
    const { server, letOpen } = serverOf(undefined, undefined, [share]);
    const large = server.open(place, own);
    await letOpen();
    assert.ok('channel' in (await large));
    truncateSync(join(spool, 'vol1'), largeBytes - 1);
    assert.ok('file' in (await server.open({ ...place, volume: 2 }, own)));
    truncateSync(join(spool, 'vol1'), largeBytes);
    await server.close();
  });

  it('looks into a few volumes at a time only', async () => {
    let [now, most] = [0, 0];
    const fetcher = {
      take: async () => ({ path: join(spool, 'vol1'), checked: undefined }),
      release: async () => {},
    } as unknown as VolumeFetcher;
    const opener = {
      readable: async (path, _, name) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now--;
        return { path, name, sealing: { kind: 'gzip' }, accessPoint: undefined };
      },
    } as Partial<Opener> as Opener;
    const sets = Array.from({ length: 20 }, () => [volume(1)]);
    const shares = Array.from({ length: 2 }, () => ({ range: allKeys, sets }));
    const server = new VolumeServer(fetcher, opener, shares, '', undefined, (error) => {
      throw error;
    });
    const answers = await Promise.all(sets.map(([each], set) => server.open({ ...place, set }, each!)));
    assert.ok(answers.every((answer) => 'file' in answer));
    assert.equal(most, 4);
    await server.close();
  });

  it('keeps a volume until each share that needs it has read it', async () => {
    const [one, both] = [volume(1), volume(2)];
    const shares = [
      { range: allKeys, sets: [[one, both]] },
      { range: allKeys, sets: [[both]] },
    ];
    const { server, log, letOpen } = serverOf(undefined, undefined, shares);
    const open = async (share: number, which: PlannedVolume) => {
      const at = { share, set: 0, volume: which.number };
      const answer = server.open(at, which);
      await letOpen();
      assert.ok('channel' in (await answer));
      return at;
    };
    const [first, second, third] = [await open(0, one), await open(0, both), await open(1, both)];
    const released = () => log.filter((line) => line !== 'freed');
    await server.release(first);
    assert.deepEqual(released(), ['released vol1']);
    await server.release(second);
    // Told twice, it is released once.
    await server.release(second);
    assert.deepEqual(released(), ['released vol1']);
    await server.release(third);
    assert.deepEqual(released(), ['released vol1', 'released vol2']);
    await server.close();
  });

  it('keeps a volume for a share that comes later, and one that was left out too', async () => {
    const both = volume(1);
    const share = { range: allKeys, sets: [[both]] };
    const { server, log, letOpen } = serverOf('AAAA', () => {}, [share, share]);
    for (const number of [0, 1]) {
      assert.ok(!log.includes('released vol1'));
      const answer = server.open({ ...place, share: number }, both);
      await letOpen('BBBB');
      assert.ok('isLeftOut' in (await answer));
    }
    assert.deepEqual(log, ['freed', 'freed', 'released vol1']);
    await server.close();
  });

  describe('for many sets', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tundra-volume-server-'));
    const sets = 60;
    const contents = Array.from({ length: sets }, (_, set) => randomBytes(largeBytes + set));
    const paths = contents.map((_, set) => join(folder, `vol${set}`));
    before(() => {
      for (const [set, bytes] of contents.entries()) writeFileSync(paths[set]!, bytes);
    });
    after(() => rmSync(folder, { recursive: true }));

    /** A server of plain volumes, all of which were asked for. */
    async function allOpened() {
      const fetcher = {
        take: async ({ number }: PlannedVolume) => ({ path: paths[number], checked: undefined }),
        release: async () => {},
      } as unknown as VolumeFetcher;
      const opener = {
        readable: async (path, _, name) => ({
          path,
          name,
          sealing: { kind: 'plain' },
          accessPoint: undefined,
        }),
      } as Partial<Opener> as Opener;
      const volumes = contents.map((_, set) => ({ ...volume(set), encrypted: false }));
      const share = { range: allKeys, sets: volumes.map((each) => [each]) };
      const server = new VolumeServer(fetcher, opener, [share], '', undefined, (error) => {
        throw error;
      });
      const at = (set: number) => ({ share: 0, set, volume: set });
      const channels: Channel[] = [];
      for (const [set, each] of volumes.entries()) {
        const answer = await server.open(at(set), each);
        assert.ok('channel' in answer);
        channels.push(answer.channel);
        // The first number of the state: how many slots are filled.
        const state = new Int32Array(answer.channel.state);
        while (state[0] !== answer.channel.slotCount) await new Promise((resolve) => setImmediate(resolve));
      }
      /** What a thread makes of a volume. */
      const read = async (set: number): Promise<ThreadMessage | undefined> => {
        let result: ThreadMessage | undefined;
        const channel = channels[set]!;
        await startThread({ kind: 'receive', channel, pieces: Number.POSITIVE_INFINITY }, (message) => {
          if (message.kind === 'free') server.slotFreed(at(set));
          else result = message;
        }).ended;
        await server.release(at(set));
        return result;
      };
      return { server, read };
    }

    const openFiles = () => openFilesAt(folder);

    const withoutProc = process.platform !== 'linux' && 'needs /proc';
    it('keeps few files open, and opens the others again when more is wanted', {
      skip: withoutProc,
    }, async () => {
      const { server, read } = await allOpened();
      assert.equal(openFiles(), 32);
      for (const set of [0, 59, 30, 1, 2]) {
        const { sizeBytes, sha1Hex } = (await read(set)) as { sizeBytes?: number; sha1Hex?: string };
        const expected = createHash('sha1').update(contents[set]!).digest('hex');
        assert.deepEqual({ sizeBytes, sha1Hex }, { sizeBytes: largeBytes + set, sha1Hex: expected });
      }
      await server.close();
      assert.equal(openFiles(), 0);
    });

    it('refuses to go on with another file', async () => {
      const { server, read } = await allOpened();
      rmSync(paths[1]!);
      writeFileSync(paths[1]!, contents[2]!);
      const result = (await read(1)) as { kind: string; message?: string };
      assert.equal(result.kind, 'failed');
      assert.match(result.message ?? '', /^vol1 was removed or replaced while it was read/);
      await server.close();
    });
  });

  it('answers with the error of a volume that is not to be left out', async () => {
    const { server, letOpen } = serverOf('AAAA', (error) => {
      throw error;
    });
    const answer = server.open(place, volume(1));
    await letOpen();
    const { error } = (await answer) as { error: { code: string } };
    assert.equal(error.code, 'unsigned-volume');
    await server.close();
  });
});
