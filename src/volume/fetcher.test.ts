import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import type { Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';
import { lentPieces } from './blocks.fixture.js';
import { type FetchableVolume, type FetcherOptions, VolumeFetcher } from './fetcher.js';

const contentsOf = (name: string) => Buffer.from(name.repeat(1000));

function volume(name: string, hash: FetchableVolume['hash'] | 'right' = 'right'): FetchableVolume {
  const right = { algorithm: 'SHA1', hex: createHash('sha1').update(contentsOf(name)).digest('hex') };
  return { name, hash: hash === 'right' ? right : hash, encrypted: true, compressed: false };
}

interface Place {
  folder: string;
  /** What was asked of the storage and of the opener, in order. */
  log: string[];
  options: FetcherOptions;
  /** Replaces what the storage gives. */
  give: (name: string) => ByteStream | Promise<ByteStream>;
}

function place(
  t: TestContext,
  more: Partial<FetcherOptions> = {},
  capabilities: Partial<StorageBackend> = {},
): Place {
  const folder = mkdtempSync(join(tmpdir(), 'tundra-fetcher-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const log: string[] = [];
  let files = 0;
  const here: Place = {
    folder,
    log,
    give: (name) => lentPieces(contentsOf(name), 700),
    options: {
      backend: {
        get: async (name: string) => {
          log.push(`get ${name}`);
          return here.give(name);
        },
        ...capabilities,
      } as StorageBackend,
      spoolPath: (name) => join(folder, `${name}.${files++}`),
      inUse: 1,
      ahead: 2,
      retries: { attempts: 4, delayMs: 1, onEvent: () => log.push('again') },
      opener: {
        check: async (_path, _sealing, name) => {
          log.push(`check ${name}`);
          return name === 'unchecked' ? undefined : { stamp: name, isWhole: true };
        },
        checkKey: async () => true,
      } as Partial<Opener> as Opener,
      ...more,
    },
  };
  return here;
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('VolumeFetcher', () => {
  it('brings a volume to the local disk, checked, and removes it when it was read', async (t) => {
    const here = place(t);
    const volumes = [volume('a'), volume('unchecked')];
    const fetcher = new VolumeFetcher(volumes, here.options);
    const first = await fetcher.take(volumes[0]!);
    assert.deepEqual(first.checked, { stamp: 'a', isWhole: true });
    assert.deepEqual(readFileSync(first.path), contentsOf('a'));
    assert.equal((await fetcher.take(volumes[1]!)).checked, undefined);
    await fetcher.release(volumes[0]!);
    assert.ok(!existsSync(first.path));
    await fetcher.release(volumes[1]!);
    await fetcher.release(volumes[1]!);
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('has the next ones ready, as many as it is told, and fetches each once', async (t) => {
    const here = place(t);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const volumes = names.map((name) => volume(name));
    const fetcher = new VolumeFetcher(volumes, here.options);
    const asked = () => here.log.filter((line) => line.startsWith('get'));
    await fetcher.take(volumes[0]!);
    while (asked().length < 3) await turn();
    assert.deepEqual(asked().sort(), ['get a', 'get b', 'get c']);
    await fetcher.take(volumes[2]!);
    await Promise.all(volumes.map((one) => fetcher.take(one)));
    assert.deepEqual(
      asked().sort(),
      names.map((name) => `get ${name}`),
    );
    await fetcher.close();
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('begins with the first ones before any is asked for, if told to', { timeout: 30_000 }, async (t) => {
    const here = place(t);
    const volumes = ['a', 'b', 'c'].map((name) => volume(name));
    const fetcher = new VolumeFetcher(volumes, here.options);
    fetcher.start();
    while (here.log.filter((line) => line.startsWith('check')).length < 2) await turn();
    assert.deepEqual([...here.log].sort(), ['check a', 'check b', 'get a', 'get b']);
    await fetcher.close();
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('takes volumes out of turn', async (t) => {
    const here = place(t, { ahead: 1 });
    const volumes = ['a', 'b', 'c'].map((name) => volume(name));
    const fetcher = new VolumeFetcher(volumes, here.options);
    for (const i of [2, 0, 1]) {
      const { path } = await fetcher.take(volumes[i]!);
      assert.deepEqual(readFileSync(path), contentsOf(volumes[i]!.name));
    }
    await fetcher.close();
  });

  it('fetches ahead nothing that another share has read already', async (t) => {
    const here = place(t, { ahead: 2 });
    const volumes = ['a', 'b', 'c', 'd'].map((name) => volume(name));
    const fetcher = new VolumeFetcher(volumes, here.options);
    // The later share first.
    await Promise.all(volumes.slice(2).map((one) => fetcher.take(one)));
    await Promise.all(volumes.slice(2).map((one) => fetcher.release(one)));
    await Promise.all(volumes.slice(0, 2).map((one) => fetcher.take(one)));
    await Promise.all(volumes.slice(0, 2).map((one) => fetcher.release(one)));
    await turn();
    assert.deepEqual(readdirSync(here.folder), []);
    assert.deepEqual(here.log.filter((line) => line.startsWith('get')).sort(), [
      'get a',
      'get b',
      'get c',
      'get d',
    ]);
    await fetcher.close();
  });

  it('reads a volume in place where the storage is a folder, and leaves it there', async (t) => {
    const here = place(t, {}, { localPathOf: (name) => join(here.folder, name) });
    writeFileSync(join(here.folder, 'a'), contentsOf('a'));
    const volumes = [volume('a'), volume('gone'), volume('a', { algorithm: 'SHA1', hex: '00' })];
    const fetcher = new VolumeFetcher(volumes, here.options);
    assert.deepEqual(await fetcher.take(volumes[0]!), {
      path: join(here.folder, 'a'),
      checked: { stamp: 'a', isWhole: true },
      isSpooled: false,
    });
    await assert.rejects(fetcher.take(volumes[1]!), { code: 'backend-not-found', message: /gone/ });
    await assert.rejects(fetcher.take(volumes[2]!), { code: 'hash-mismatch' });
    await fetcher.close();
    assert.deepEqual(readdirSync(here.folder), ['a']);
    assert.ok(!here.log.some((line) => line.startsWith('get')));
  });

  it('compares the hash of a large volume in a thread', async (t) => {
    const here = place(t, {}, { localPathOf: (name) => join(here.folder, name) });
    const large = Buffer.alloc(17 * 1024 * 1024, 'tundra');
    const hex = createHash('sha1').update(large).digest('hex');
    writeFileSync(join(here.folder, 'a'), large);
    writeFileSync(join(here.folder, 'b'), large.fill(0, 1000, 1001));
    const volumes = ['a', 'b'].map((name) => volume(name, { algorithm: 'SHA1', hex }));
    const fetcher = new VolumeFetcher(volumes, here.options);
    await fetcher.take(volumes[0]!);
    await assert.rejects(fetcher.take(volumes[1]!), { code: 'hash-mismatch' });
    await fetcher.close();
  });

  it('compares the hash in place beside the check, and tells what is wrong with it before all else', async (t) => {
    const here = place(t, {}, { localPathOf: (name) => join(here.folder, name) });
    for (const name of ['a', 'b']) writeFileSync(join(here.folder, name), contentsOf(name));
    const check: Opener['check'] = async (_path, _sealing, name, _isStored, onStamped) => {
      if (name === 'b') onStamped?.();
      throw new TundraError('encryption', 'altered');
    };
    here.options.opener = { ...here.options.opener, check };
    const volumes = ['a', 'b'].flatMap((name) => [
      volume(name),
      volume(name, { algorithm: 'SHA1', hex: '00' }),
    ]);
    const fetcher = new VolumeFetcher(volumes, here.options);
    for (const [index, code] of ['encryption', 'hash-mismatch', 'encryption', 'hash-mismatch'].entries()) {
      await assert.rejects(fetcher.take(volumes[index]!), { code });
    }
    await fetcher.close();
  });

  it('refuses a volume whose hash is wrong, whatever its spelling', async (t) => {
    const here = place(t);
    const upper = { algorithm: 'Sha1', hex: volume('a').hash!.hex.toUpperCase() };
    const md5 = { algorithm: 'MD5', hex: createHash('md5').update(contentsOf('b')).digest('hex') };
    const volumes = [volume('a', upper), volume('b', md5), volume('c', undefined), volume('d', md5)];
    const fetcher = new VolumeFetcher(volumes, here.options);
    for (const right of volumes.slice(0, 3)) await fetcher.take(right);
    await assert.rejects(fetcher.take(volumes[3]!), (error: TundraError) => {
      assert.equal(error.exitStatus, 21);
      assert.match(error.message, /MD5 hash mismatch for file:\n d\n/);
      return true;
    });
    await fetcher.close();
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('says that a kind of hash is unknown, and leaves nothing open or behind', async (t) => {
    const here = place(t);
    const before = readdirSync('/proc/self/fd').length;
    const odd = volume('a', { algorithm: 'SHA9', hex: '00' });
    const fetcher = new VolumeFetcher([odd], here.options);
    await assert.rejects(fetcher.take(odd), { code: 'unreadable-manifests', message: /SHA9/ });
    assert.equal(readdirSync('/proc/self/fd').length, before);
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('removes what is half there when the storage or the check fails, and hands the error on', async (t) => {
    const broken = async function* (name: string): ByteStream {
      yield contentsOf(name).subarray(0, 100);
      throw new TundraError('connection', 'the line went dead');
    };
    const here = place(t);
    here.give = (name) => {
      if (name === 'absent') throw new TundraError('backend-not-found', 'absent is not there');
      return name === 'broken' ? broken(name) : lentPieces(contentsOf(name));
    };
    const before = readdirSync('/proc/self/fd').length;
    const volumes = [volume('broken'), volume('absent'), volume('bad')];
    const opener = {
      check: async () => {
        throw new TundraError('encryption', 'altered');
      },
    } as unknown as Opener;
    const fetcher = new VolumeFetcher(volumes, { ...here.options, opener });
    await assert.rejects(fetcher.take(volumes[0]!), { code: 'connection' });
    await assert.rejects(fetcher.take(volumes[1]!), { code: 'backend-not-found' });
    await assert.rejects(fetcher.take(volumes[2]!), { code: 'encryption' });
    assert.deepEqual(readdirSync(here.folder), []);
    assert.equal(readdirSync('/proc/self/fd').length, before);
    for (const failed of volumes) await fetcher.release(failed);
    await fetcher.close();
  });

  it('begins again where the storage breaks off', async (t) => {
    const here = place(t);
    let failures = 2;
    here.give = async function* (name) {
      yield* lentPieces(contentsOf(name).subarray(0, 900), 700);
      if (failures-- > 0) throw new TundraError('connection', 'the line went dead', { retry: 'later' });
      yield* lentPieces(contentsOf(name).subarray(900), 700);
    };
    const fetcher = new VolumeFetcher([], here.options);
    const { path } = await fetcher.take(volume('a'));
    assert.deepEqual(readFileSync(path), contentsOf('a'));
    assert.deepEqual(here.log, ['get a', 'again', 'get a', 'again', 'get a', 'check a']);
    failures = 4;
    await assert.rejects(fetcher.take(volume('b')), { code: 'connection' });
    assert.equal(here.log.filter((line) => line === 'get b').length, 4);
    await fetcher.close();
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('fetches a volume that was damaged on its way again, but not one that stays the same', async (t) => {
    const here = place(t);
    let damaged = 1;
    here.give = (name) => {
      const bytes = Buffer.from(contentsOf(name));
      if (name === 'b') bytes[5] = 1;
      else if (damaged > 0) bytes[damaged--] = 1;
      // Longer than the right one: nothing of it may stay.
      return lentPieces(damaged >= 0 && bytes.includes(1) ? Buffer.concat([bytes, bytes]) : bytes, 700);
    };
    const fetcher = new VolumeFetcher([], here.options);
    const { path } = await fetcher.take(volume('a'));
    assert.deepEqual(readFileSync(path), contentsOf('a'));
    assert.deepEqual(here.log, ['get a', 'again', 'get a', 'check a']);
    await assert.rejects(fetcher.take(volume('b')), { code: 'hash-mismatch' });
    assert.equal(here.log.filter((line) => line === 'get b').length, 2);
    damaged = 9;
    await assert.rejects(fetcher.take(volume('c')), { code: 'hash-mismatch' });
    assert.equal(here.log.filter((line) => line === 'get c').length, 4);
    await fetcher.close();
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('does not try again what the local disk refuses', async (t) => {
    const here = place(t, { spoolPath: (name) => join('/proc', name) });
    const fetcher = new VolumeFetcher([], here.options);
    await assert.rejects(fetcher.take(volume('a')), { code: 'generic', message: /cannot be written/ });
    assert.deepEqual(here.log, []);
    await fetcher.close();
  });

  it('waits for no next try when it is closed', { timeout: 30_000 }, async (t) => {
    const here = place(t, { retries: { attempts: 4, delayMs: 1e9 } });
    here.give = async function* () {
      yield Buffer.from('x');
      throw new TundraError('connection', 'the line went dead', { retry: 'later' });
    };
    const fetcher = new VolumeFetcher([], here.options);
    const taking = assert.rejects(fetcher.take(volume('a')), { code: 'connection' });
    while (here.log.length === 0) await turn();
    await turn();
    await fetcher.close();
    await taking;
    assert.deepEqual(readdirSync(here.folder), []);
  });

  it('keeps a failure ahead of time to itself until the volume is asked for', async (t) => {
    const here = place(t);
    here.give = (name) => {
      if (name === 'b') throw new TundraError('backend-not-found', 'b is not there');
      return lentPieces(contentsOf(name));
    };
    const volumes = [volume('a'), volume('b')];
    const fetcher = new VolumeFetcher(volumes, here.options);
    await fetcher.take(volumes[0]!);
    await turn();
    await assert.rejects(fetcher.take(volumes[1]!), { code: 'backend-not-found' });
    await fetcher.close();
  });

  it('gives up what is on its way when it is closed, without waiting for the end of it', async (t) => {
    let ended = 0;
    const endless = async function* (): ByteStream {
      try {
        for (;;) {
          await turn();
          yield Buffer.alloc(100);
        }
      } finally {
        ended++;
      }
    };
    const here = place(t, { ahead: 6 });
    here.give = (name) => (name === 'a' ? lentPieces(contentsOf(name)) : endless());
    const volumes = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => volume(name));
    const fetcher = new VolumeFetcher(volumes, here.options);
    await fetcher.take(volumes[0]!);
    await fetcher.close();
    const asked = here.log.filter((line) => line.startsWith('get'));
    assert.equal(ended, asked.length - 1);
    assert.ok(!asked.includes('get g'), 'what waits for its turn is not begun any more');
    assert.deepEqual(readdirSync(here.folder), []);
    await assert.rejects(fetcher.take(volumes[6]!), { message: /g is not wanted any more/ });
  });
});
