import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { ByteStream } from '../base/bytes.js';
import { TundraError } from '../base/errors.js';
import type { CheckedFile, Opener } from '../seal/cipher.js';
import type { StorageBackend } from '../storage/backend.js';
import { lentPieces } from './blocks.fixture.js';
import type { FetchableVolume } from './bring.js';
import { type SpoolOptions, VolumeSpool } from './spool.js';

const volumeBytes = 1000;
const contentsOf = (name: string, sizeBytes = volumeBytes) =>
  Buffer.from(`${name} `.repeat(sizeBytes)).subarray(0, sizeBytes);
const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex');

function volume(name: string, sizeBytes = volumeBytes): FetchableVolume {
  const hex = sha1(contentsOf(name, sizeBytes));
  return { name, hash: { algorithm: 'SHA1', hex }, encrypted: true, compressed: false };
}

const sealed = (name: string, retryAfterMs?: number) =>
  new TundraError('backend-sealed', `${name} is sealed`, { retryAfterMs });

/** Something that happens when it is told to. */
class Signal {
  resolve = () => {};
  reject: (error: unknown) => void = () => {};
  readonly promise = new Promise<void>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

class Scene {
  readonly parent = mkdtempSync(join(tmpdir(), 'tundra-spool-'));
  readonly folder = join(this.parent, 'spool');
  /** What was asked of the storage and the opener, in order. */
  readonly log: string[] = [];
  readonly sizes = new Map<string, number>();
  readonly readiness = new Map<string, Signal>();
  /** Replaces what the storage gives. */
  give = async (name: string): Promise<ByteStream> =>
    lentPieces(contentsOf(name, this.sizes.get(name) ?? volumeBytes), 300);
  check = async (_path: string, name: string): Promise<CheckedFile> => ({ stamp: name, isWhole: true });
  /** Which of the others are sealed too. */
  again = async (_refused: string, _others: readonly string[]): Promise<string[]> => [];

  readonly options: SpoolOptions = {
    folder: this.folder,
    keepsOthers: false,
    budgetBytes: 1e9,
    backend: {
      description: 'cold',
      get: async (name: string) => {
        this.log.push(`get ${name}`);
        return this.give(name);
      },
    } as StorageBackend,
    retries: { attempts: 3, delayMs: 1 },
    opener: {
      check: async (path, _sealing, name) => {
        this.log.push(`check ${name}`);
        return this.check(path, name);
      },
    } as Opener,
    ready: (name) => this.readyOf(name).promise,
    again: async (refused, others, retryAfterMs) => {
      this.log.push(`again ${[refused, ...others].join(' ')} ${retryAfterMs}`);
      return [refused, ...(await this.again(refused, others))];
    },
    sizeOf: ({ name }) => this.sizes.get(name) ?? volumeBytes,
  };

  constructor(t: TestContext) {
    t.after(() => rmSync(this.parent, { recursive: true, force: true }));
  }

  readyOf(name: string): Signal {
    let signal = this.readiness.get(name);
    if (signal === undefined) {
      signal = new Signal();
      signal.promise.catch(() => {});
      this.readiness.set(name, signal);
    }
    return signal;
  }

  letThrough(...names: string[]): void {
    for (const name of names) this.readyOf(name).resolve();
  }

  /** Opens a spool and starts it. */
  async start(volumes: readonly FetchableVolume[], options: Partial<SpoolOptions> = {}) {
    const spool = new VolumeSpool(volumes, { ...this.options, ...options });
    const missing = (await spool.open()).map(({ name }) => name);
    spool.start();
    return { spool, missing };
  }

  fetched(): string[] {
    return this.log.filter((line) => line.startsWith('get ')).map((line) => line.slice(4));
  }

  files(): string[] {
    return readdirSync(this.folder).sort();
  }

  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 2000 && !condition(); i++) await turn();
    assert.ok(condition(), `it does not come to that: ${this.log.join(', ')}`);
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 2));

/** Lets all go on that can. */
async function rest(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}

describe('VolumeSpool', () => {
  it('brings each volume as soon as it can be read, wherever it comes in order', async (t) => {
    const scene = new Scene(t);
    const volumes = ['a', 'b', 'c'].map((name) => volume(name));
    const { spool, missing } = await scene.start(volumes);
    assert.deepEqual(missing, ['a', 'b', 'c']);
    await rest();
    assert.deepEqual(scene.log, []);
    for (const name of ['c', 'a', 'b']) {
      scene.letThrough(name);
      await scene.until(() => scene.files().includes(name));
    }
    assert.deepEqual(scene.fetched(), ['c', 'a', 'b']);
    for (const one of volumes) {
      const { path, checked } = await spool.take(one);
      assert.deepEqual(readFileSync(path), contentsOf(one.name));
      assert.deepEqual(checked, { stamp: one.name, isWhole: true });
      await spool.release(one);
    }
    await spool.close();
    assert.deepEqual(scene.files(), ['a', 'b', 'c'], 'another run may need them');
    assert.equal(statSync(scene.folder).mode & 0o777, 0o700);
  });

  it('takes those that can be read in the order of the merge, but first what that waits for', async (t) => {
    const scene = new Scene(t);
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const volumes = names.map((name) => volume(name));
    const gates = new Map(names.map((name) => [name, new Signal()]));
    const { give } = scene;
    scene.give = async (name) => {
      await gates.get(name)!.promise;
      return give(name);
    };
    const { spool } = await scene.start(volumes);
    scene.letThrough(...names);
    await scene.until(() => scene.fetched().length === 4);
    await rest();
    assert.deepEqual(scene.fetched().sort(), ['a', 'b', 'c', 'd'], 'four at a time');
    const taken = spool.take(volumes[6]!);
    for (const [i, next] of ['g', 'e', 'f', 'h'].entries()) {
      gates.get(names[i]!)!.resolve();
      await scene.until(() => scene.fetched().length === 5 + i);
      assert.equal(scene.fetched().at(-1), next);
    }
    for (const gate of gates.values()) gate.resolve();
    await taken;
    await spool.close();
  });

  it('fills no more than its budget, and what was read makes room', async (t) => {
    const scene = new Scene(t);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const volumes = names.map((name) => volume(name));
    const { spool } = await scene.start(volumes, { budgetBytes: 2 * volumeBytes });
    scene.letThrough(...names);
    await scene.until(() => scene.log.includes('check b'));
    await rest();
    assert.deepEqual(scene.files(), ['a', 'b']);
    await spool.take(volumes[0]!);
    await rest();
    assert.deepEqual(scene.files(), ['a', 'b']);
    await spool.release(volumes[0]!);
    await scene.until(() => scene.log.includes('check c'));
    assert.deepEqual(scene.files(), ['b', 'c']);
    await spool.take(volumes[1]!);
    await spool.release(volumes[1]!);
    await spool.take(volumes[2]!);
    await scene.until(() => scene.log.includes('check d'));
    assert.deepEqual(scene.files(), ['c', 'd']);
    await spool.close();
  });

  it('keeps what was read as long as there is room for the next', async (t) => {
    const scene = new Scene(t);
    const volumes = ['a', 'b', 'c'].map((name) => volume(name));
    const { spool } = await scene.start(volumes, { budgetBytes: 3 * volumeBytes });
    scene.letThrough('a', 'b', 'c');
    for (const one of volumes) {
      await spool.take(one);
      await spool.release(one);
    }
    assert.deepEqual(scene.files(), ['a', 'b', 'c']);
    await spool.close();
  });

  it('goes above its budget by what the merge cannot go on without', async (t) => {
    const scene = new Scene(t);
    const volumes = ['a', 'b', 'large'].map((name) => volume(name, name === 'large' ? 5000 : volumeBytes));
    scene.sizes.set('large', 5000);
    const { spool } = await scene.start(volumes, { budgetBytes: 2 * volumeBytes });
    scene.letThrough('large', 'b');
    await scene.until(() => scene.log.includes('check b'));
    scene.letThrough('a');
    await scene.until(() => scene.log.includes('check a'));
    await rest();
    assert.deepEqual(scene.fetched(), ['b', 'a']);
    await spool.take(volumes[0]!);
    await spool.take(volumes[2]!);
    assert.deepEqual(scene.files(), ['a', 'b', 'large']);
    await spool.close();
  });

  it('holds to its budget whatever comes when', async (t) => {
    const plan = fc.record({
      sizes: fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 12 }),
      budgetBytes: fc.integer({ min: 1, max: 8000 }),
      /** How many volumes the merge reads at once. */
      atOnce: fc.integer({ min: 1, max: 3 }),
      seed: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ sizes, budgetBytes, atOnce, seed }) => {
        const scene = new Scene(t);
        const names = sizes.map((_, i) => `v${String(i).padStart(2, '0')}`);
        for (const [i, name] of names.entries()) scene.sizes.set(name, sizes[i]!);
        const volumes = names.map((name, i) => volume(name, sizes[i]));
        /** What the merge waits for or reads: it may have been brought above the budget. */
        const wanted = new Set<string>();
        const problems: string[] = [];
        const { give } = scene;
        const onTheWay = new Set<string>();
        scene.give = async (name) => {
          onTheWay.add(name);
          const here = scene.files().filter((file) => !file.endsWith('.part') && !onTheWay.has(file));
          const spare = [...here, ...onTheWay].filter((one) => !wanted.has(one));
          const heldBytes = spare.reduce((sum, one) => sum + scene.sizes.get(one)!, 0);
          if (heldBytes > budgetBytes) problems.push(`${name}: ${heldBytes} bytes`);
          return give(name);
        };
        scene.check = async (_path, name) => {
          onTheWay.delete(name);
          return { stamp: name, isWhole: true };
        };
        const { spool } = await scene.start(volumes, { budgetBytes });
        const inTurn = [...names].sort((a, b) => seed[names.indexOf(a)]! - seed[names.indexOf(b)]!);
        const opened: FetchableVolume[] = [];
        const merge = (async () => {
          for (const one of volumes) {
            if (opened.length === atOnce) {
              wanted.delete(opened[0]!.name);
              await spool.release(opened.shift()!);
            }
            wanted.add(one.name);
            const { path } = await spool.take(one);
            assert.deepEqual(readFileSync(path), contentsOf(one.name, scene.sizes.get(one.name)));
            opened.push(one);
          }
        })();
        for (const name of inTurn) {
          scene.letThrough(name);
          if (seed[0]! % 2 === 0) await new Promise(setImmediate);
        }
        await merge;
        assert.deepEqual(problems, []);
        assert.deepEqual(scene.fetched().sort(), names, 'each is fetched once');
        await spool.close();
      }),
      { numRuns: 40 },
    );
  });

  describe('what a run that was broken off has left', () => {
    it('is used if it is right, and removed if not', async (t) => {
      const scene = new Scene(t);
      const names = ['right', 'short', 'damaged', 'no hash', 'missing'];
      const volumes = names.map((name) => volume(name));
      volumes[3] = { ...volumes[3]!, hash: undefined };
      mkdirSync(scene.folder);
      const leave = (name: string, bytes: Uint8Array) => writeFileSync(join(scene.folder, name), bytes);
      leave('right', contentsOf('right'));
      leave('short', contentsOf('short').subarray(1));
      leave('damaged', contentsOf('damagee'));
      leave('no hash', contentsOf('no hash'));
      leave('right.part', contentsOf('right'));
      leave('other', contentsOf('other'));
      leave('.tundra-0123456789abcdef.tmp', contentsOf('other'));
      mkdirSync(join(scene.folder, 'folder', 'below'), { recursive: true });
      const { spool, missing } = await scene.start(volumes);
      assert.deepEqual(missing, ['short', 'damaged', 'no hash', 'missing']);
      assert.deepEqual(scene.files(), ['right']);
      const { path } = await spool.take(volumes[0]!);
      assert.deepEqual(readFileSync(path), contentsOf('right'));
      scene.letThrough(...names);
      for (const one of volumes.slice(1)) await spool.take(one);
      assert.deepEqual(scene.fetched().sort(), [...missing].sort());
      await spool.close();
    });

    it('stays where other restores need it, but for what was not whole', async (t) => {
      const scene = new Scene(t);
      mkdirSync(scene.folder);
      for (const name of ['a', 'other', 'other.part']) writeFileSync(join(scene.folder, name), 'x');
      const { spool } = await scene.start([volume('a')], { keepsOthers: true });
      assert.deepEqual(scene.files(), ['other']);
      await spool.close();
    });

    it('is taken over up to the budget', async (t) => {
      const scene = new Scene(t);
      mkdirSync(scene.folder);
      const names = ['a', 'b', 'c', 'd'];
      for (const name of names) writeFileSync(join(scene.folder, name), contentsOf(name));
      const { spool, missing } = await scene.start(
        names.map((name) => volume(name)),
        { budgetBytes: 2500 },
      );
      assert.deepEqual(missing, ['c', 'd']);
      assert.deepEqual(scene.files(), ['a', 'b']);
      await spool.close();
    });

    it('stays also if it cannot be opened, as with a wrong passphrase', async (t) => {
      const scene = new Scene(t);
      const failure = new TundraError('encryption', 'wrong passphrase');
      scene.check = () => Promise.reject(failure);
      const volumes = [volume('a'), volume('b')];
      mkdirSync(scene.folder);
      writeFileSync(join(scene.folder, 'a'), contentsOf('a'));
      const { spool } = await scene.start(volumes);
      scene.letThrough('b');
      for (const one of volumes) await assert.rejects(spool.take(one), failure);
      await spool.close();
      assert.deepEqual(scene.files(), ['a', 'b']);
    });
  });

  it('asks once more for a volume that was sealed before its turn came', async (t) => {
    const scene = new Scene(t);
    const { give } = scene;
    scene.give = async (name) => {
      if (scene.fetched().length < 3) throw sealed(name, 7000);
      return give(name);
    };
    scene.again = async (name) => {
      scene.readiness.delete(name);
      return [];
    };
    const one = volume('a');
    const { spool } = await scene.start([one]);
    const taken = spool.take(one);
    for (let time = 1; time <= 2; time++) {
      scene.letThrough('a');
      await scene.until(() => scene.log.filter((line) => line === 'again a 7000').length === time);
      await rest();
      assert.equal(scene.fetched().length, time, 'not before it is ready');
    }
    assert.deepEqual(scene.files(), []);
    scene.letThrough('a');
    assert.deepEqual(readFileSync((await taken).path), contentsOf('a'));
    await spool.close();
  });

  it('asks with it for as many of the next ones as it has room for', async (t) => {
    const scene = new Scene(t);
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const volumes = names.map((name) => volume(name));
    const isSealed = new Set(names);
    const { give } = scene;
    scene.give = async (name) => {
      if (isSealed.has(name)) throw sealed(name, 100);
      return give(name);
    };
    scene.again = async (refused, others) => {
      const waiting = others.filter((name) => name !== 'c');
      for (const name of [refused, ...waiting]) scene.readiness.delete(name);
      return waiting;
    };
    const { spool } = await scene.start(volumes, { budgetBytes: 4 * volumeBytes });
    const merge = (async () => {
      for (const one of volumes) {
        await spool.take(one);
        await spool.release(one);
      }
    })();
    // The merge waits for the first one, which is on its way; the others have had their time.
    scene.letThrough('b', 'c', 'd', 'e', 'f');
    for (const name of ['b', 'c', 'd', 'e', 'f']) isSealed.delete(name);
    await scene.until(() => scene.fetched().length === 4);
    for (const name of names) isSealed.add(name);
    scene.letThrough('a');
    await scene.until(() => scene.log.some((line) => line.startsWith('again')));
    assert.deepEqual(
      scene.log.filter((line) => line.startsWith('again')),
      ['again a f 100'],
    );
    isSealed.clear();
    await rest();
    scene.letThrough('a');
    await rest();
    scene.letThrough('f');
    await merge;
    await spool.close();
  });

  describe('a failure', () => {
    it('reaches whoever takes the volume, and no other', async (t) => {
      const scene = new Scene(t);
      const failures: Record<string, TundraError> = {
        get: new TundraError('backend', 'no'),
        thaw: new TundraError('connection', 'gone'),
        again: new TundraError('backend-permission', 'not you'),
      };
      const { give } = scene;
      scene.give = async (name) => {
        if (name === 'get') throw failures.get;
        if (name === 'again') throw sealed(name);
        return give(name === 'hash' ? 'other' : name);
      };
      scene.again = () => Promise.reject(failures.again);
      const volumes = ['get', 'thaw', 'again', 'hash', 'good'].map((name) => volume(name));
      const { spool } = await scene.start(volumes);
      scene.readyOf('thaw').reject(failures.thaw);
      scene.letThrough('get', 'again', 'hash', 'good');
      await rest();
      for (const [i, name] of ['get', 'thaw', 'again'].entries()) {
        await assert.rejects(spool.take(volumes[i]!), failures[name]);
      }
      await assert.rejects(spool.take(volumes[3]!), { code: 'hash-mismatch' });
      assert.ok(existsSync((await spool.take(volumes[4]!)).path));
      await spool.close();
      assert.deepEqual(scene.files(), ['good']);
    });

    it('of the disk says what to do', async (t) => {
      const scene = new Scene(t);
      const one = volume('a');
      const { spool } = await scene.start([one]);
      rmSync(scene.folder, { recursive: true });
      scene.letThrough('a');
      await assert.rejects(spool.take(one), { code: 'bad-archive-dir', advice: /--archive-dir/ });
      await spool.close();
      writeFileSync(scene.folder, 'a file');
      await assert.rejects(scene.start([one]), { code: 'bad-archive-dir' });
    });

    it('for want of space tells of the option that takes less', async (t) => {
      const scene = new Scene(t);
      scene.give = () => Promise.reject(new TundraError('no-free-space', 'the disk is full'));
      const one = volume('a');
      const { spool } = await scene.start([one]);
      scene.letThrough('a');
      await assert.rejects(spool.take(one), { code: 'no-free-space', advice: /--spool-size/ });
      await spool.close();
    });

    it('leaves its room to others', async (t) => {
      const scene = new Scene(t);
      const { give } = scene;
      scene.give = async (name) => {
        if (name === 'bad') throw new TundraError('backend', 'no');
        return give(name);
      };
      const volumes = ['bad', 'good'].map((name) => volume(name));
      const { spool } = await scene.start(volumes, { budgetBytes: volumeBytes });
      scene.letThrough('bad', 'good');
      await scene.until(() => scene.log.includes('check good'));
      await spool.close();
    });
  });

  it('lets nobody wait for a thaw when it is given up', async (t) => {
    const scene = new Scene(t);
    const volumes = ['a', 'b', 'c'].map((name) => volume(name));
    const { spool } = await scene.start(volumes);
    const refused = assert.rejects(spool.take(volumes[0]!), /a is not wanted any more/);
    spool.giveUp();
    await refused;
    await assert.rejects(spool.take(volumes[1]!), /b is not wanted any more/);
    scene.letThrough('a', 'b', 'c');
    await rest();
    assert.deepEqual(scene.log, []);
    await spool.close();
  });

  it('leaves nothing half done and nothing open when it is closed in the middle', async (t) => {
    const scene = new Scene(t);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const gate = new Signal();
    scene.give = async (name) =>
      (async function* () {
        yield contentsOf(name).subarray(0, 400);
        await gate.promise;
        yield contentsOf(name).subarray(400);
      })();
    const volumes = names.map((name) => volume(name));
    const { spool } = await scene.start(volumes);
    const refused = volumes.slice(0, 2).map((one) => assert.rejects(spool.take(one), /not wanted any more/));
    scene.letThrough(...names);
    await scene.until(() => scene.files().length === 4);
    const closed = spool.close();
    gate.resolve();
    await closed;
    assert.deepEqual(scene.files(), []);
    await Promise.all(refused);
    assert.deepEqual(openBelow(scene.folder), []);
    assert.deepEqual(scene.fetched().sort(), ['a', 'b', 'c', 'd']);
  });

  it('takes names that are longer than the disk allows', async (t) => {
    const scene = new Scene(t);
    const prefix = 'p'.repeat(300);
    const volumes = ['1', '2'].map((number) => volume(`${prefix}duplicity-full.vol${number}`));
    const { spool } = await scene.start(volumes);
    scene.letThrough(...volumes.map(({ name }) => name));
    for (const one of volumes) {
      assert.deepEqual(readFileSync((await spool.take(one)).path), contentsOf(one.name));
    }
    await spool.close();
    const { spool: next, missing } = await scene.start(volumes);
    assert.deepEqual(missing, []);
    await next.close();
  });
});

/** The files below a folder that this process has open. */
function openBelow(folder: string): string[] {
  if (!existsSync('/proc/self/fd')) return [];
  const paths = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return paths.filter((path) => path.startsWith(folder));
}
