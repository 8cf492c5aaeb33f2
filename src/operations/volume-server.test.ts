import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import { allKeys } from '../base/path-key.js';
import type { PlannedVolume } from '../chain/restore-plan.js';
import type { OpenedFile, Opener } from '../seal/cipher.js';
import type { VolumeFetcher } from '../volume/fetcher.js';
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

/** A server whose steps go to a log, and whose opener waits for the test. */
function serverOf(
  requiredSigner?: string,
  onUnreadable: (error: unknown) => void = (error) => assert.fail(String(error)),
) {
  const log: string[] = [];
  const waiting: ((file: OpenedFile) => void)[] = [];
  const fetcher = {
    take: async ({ name }: PlannedVolume) => ({ path: `/spool/${name}`, checked: { stamp: '' } }),
    release: async ({ name }: PlannedVolume) => void log.push(`released ${name}`),
  } as unknown as VolumeFetcher;
  const opener = {
    open: () => new Promise<OpenedFile>((resolve) => waiting.push(resolve)),
  } as unknown as Opener;
  const server = new VolumeServer(
    fetcher,
    opener,
    [{ range: allKeys, sets: [[]] }],
    requiredSigner,
    onUnreadable,
  );
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
