import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TundraError } from '../base/errors.js';
import type { ThawCounts } from '../base/events.js';
import type { ColdObject, ColdStorage, ThawState } from '../storage/backend.js';
import { progressOf, Thaw, type ThawOptions } from './thaw.js';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const startMs = Date.UTC(2026, 0, 2);

interface Stored {
  sizeBytes: number;
  thawMs: number;
  /** When it can be read; undefined while it is sealed. */
  readyAtMs?: number | undefined;
}

/** A cold storage at a clock that goes on just when somebody sleeps. */
class Scene implements ColdStorage {
  nowMs = startMs;
  readonly objects = new Map<string, Stored>();
  /** The names of each request, and when it came. */
  readonly asked: string[][] = [];
  readonly surveysMs: number[] = [];
  readonly sleepsMs: number[] = [];
  readonly progress: ThawCounts[] = [];
  readonly warnings: string[] = [];
  readonly thawed: [name: string, waitedMs: number][] = [];
  /** Whether the storage says when objects are ready. */
  tells = true;
  /** Thrown by the surveys. */
  failure: unknown;
  /** Is called before a survey answers. */
  onSurvey = () => {};
  /** While it is set, sleeps end only by their signal. */
  isClockStopped = false;

  readonly options: ThawOptions = {
    cold: this,
    now: () => this.nowMs,
    sleep: async (ms, signal) => {
      this.sleepsMs.push(ms);
      while (this.isClockStopped && !signal.aborted) await turn();
      await turn();
      if (!signal.aborted) this.nowMs += ms;
    },
    onProgress: (progress) => this.progress.push(progress),
    onWarning: (text) => this.warnings.push(text),
    onThawed: ({ name }, waitedMs) => this.thawed.push([name, waitedMs]),
  };

  add(name: string, thawMs: number, state: ThawState = 'sealed', sizeBytes = 10): void {
    const readyAtMs = { sealed: undefined, thawing: this.nowMs + thawMs, ready: this.nowMs }[state];
    this.objects.set(name, { sizeBytes, thawMs, readyAtMs });
  }

  async survey(): Promise<ColdObject[]> {
    this.surveysMs.push(this.nowMs - startMs);
    await turn();
    this.onSurvey();
    if (this.failure !== undefined) throw this.failure;
    return [...this.objects.keys()].map((name) => this.#describe(name));
  }

  async thaw(names: readonly string[]): Promise<ColdObject[]> {
    this.asked.push([...names]);
    await turn();
    for (const name of names) {
      const object = this.objects.get(name);
      if (object === undefined) throw new TundraError('backend-not-found', `${name} is not there`);
      object.readyAtMs ??= this.nowMs + object.thawMs;
    }
    return names.map((name) => this.#describe(name));
  }

  #describe(name: string): ColdObject {
    const { sizeBytes, readyAtMs } = this.objects.get(name)!;
    const state: ThawState =
      readyAtMs === undefined ? 'sealed' : readyAtMs <= this.nowMs ? 'ready' : 'thawing';
    return {
      name,
      sizeBytes,
      state,
      storageClass: 'test',
      store: 'cold',
      ...(state === 'thawing' && this.tells && { readyAtMs }),
    };
  }

  /** Thaws all that is there, to the end. */
  async thawAll(): Promise<Thaw> {
    const thaw = new Thaw(this.options);
    await thaw.begin([...this.objects.keys()]);
    await thaw.allReady();
    await thaw.stop();
    return thaw;
  }
}

const differences = (times: readonly number[]) => times.slice(1).map((time, i) => time - times[i]!);

/** How a promise stands. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  const pending = Symbol();
  const soon = (async () => {
    for (let i = 0; i < 5; i++) await turn();
    return pending;
  })();
  return Promise.race([promise, soon]).then(
    (value) => (value === pending ? 'pending' : 'resolved'),
    () => 'rejected',
  );
}

describe('Thaw', () => {
  it('asks for all that are sealed at once, and for nothing else', async () => {
    const scene = new Scene();
    scene.add('a', minuteMs);
    scene.add('b', minuteMs, 'thawing');
    scene.add('c', minuteMs, 'ready');
    scene.add('d', 2 * minuteMs);
    scene.add('not wanted', minuteMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['d', 'c', 'b', 'a', 'hot']);
    assert.deepEqual(scene.asked, [['a', 'd']]);
    assert.equal(await stateOf(thaw.ready('c')), 'resolved');
    assert.equal(await stateOf(thaw.ready('hot')), 'resolved');
    await thaw.allReady();
    assert.deepEqual(scene.asked, [['a', 'd']]);
    assert.deepEqual(
      thaw.objects.map(({ name, state }) => `${name} ${state}`),
      ['a ready', 'b ready', 'c ready', 'd ready'],
    );
    await thaw.stop();
  });

  it('asks nobody where nothing is wanted', async () => {
    const scene = new Scene();
    scene.add('a', 0);
    const thaw = new Thaw(scene.options);
    await thaw.begin([]);
    await thaw.allReady();
    await thaw.stop();
    assert.deepEqual([scene.surveysMs, scene.asked, scene.progress], [[], [], []]);
  });

  it('looks again when the storage says that something is ready', async () => {
    const scene = new Scene();
    scene.add('a', 50 * secondMs);
    scene.add('b', 80 * secondMs);
    scene.add('c', 80 * secondMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a', 'b', 'c']);
    await thaw.ready('a');
    assert.deepEqual(
      thaw.objects.map(({ state }) => state),
      ['ready', 'thawing', 'thawing'],
    );
    await thaw.allReady();
    // A little later, as the storage may have rounded.
    assert.deepEqual(scene.surveysMs, [0, 50_300, 80_300]);
    assert.deepEqual(scene.thawed, [
      ['a', 50_300],
      ['b', 80_300],
      ['c', 80_300],
    ]);
    await thaw.stop();
  });

  it('does not look more often than once a second', async () => {
    const scene = new Scene();
    for (let i = 0; i < 40; i++) scene.add(`${i}`, i * 150);
    await scene.thawAll();
    assert.ok(Math.min(...differences(scene.surveysMs)) >= secondMs, `${scene.surveysMs}`);
    assert.ok(scene.surveysMs.length <= 8);
  });

  it('looks once a minute at most in a long wait, and at least every ten minutes', async () => {
    for (const tells of [true, false]) {
      const scene = new Scene();
      scene.tells = tells;
      for (const minutes of [3, 3.1, 3.2, 15, 300, 301, 720]) scene.add(`${minutes}`, minutes * minuteMs);
      await scene.thawAll();
      const steps = differences(scene.surveysMs);
      assert.ok(Math.max(...steps) <= 10 * minuteMs);
      for (const [i, atMs] of scene.surveysMs.slice(0, -1).entries()) {
        assert.ok(steps[i]! >= (atMs > 2 * minuteMs ? minuteMs : secondMs), `${scene.surveysMs}`);
      }
      const lastMs = scene.surveysMs.at(-1)!;
      assert.ok(lastMs >= 720 * minuteMs && lastMs < 731 * minuteMs, `${lastMs}`);
      // 72 for the ten minutes, some more at the start and where something gets ready.
      assert.ok(scene.surveysMs.length < 110, `${scene.surveysMs.length}`);
      assert.equal(scene.asked.length, 1);
    }
  });

  it('goes on looking where the storage is late', async () => {
    const scene = new Scene();
    scene.add('a', 5 * secondMs);
    const thaw = new Thaw(scene.options);
    scene.onSurvey = () => {
      // It says 5 seconds, and takes 20.
      const late = scene.surveysMs.at(-1)! < 20 * secondMs;
      if (late && scene.asked.length > 0) scene.objects.get('a')!.readyAtMs = scene.nowMs + 1;
    };
    await thaw.begin(['a']);
    await thaw.allReady();
    assert.ok(scene.surveysMs.at(-1)! < 23 * secondMs, `${scene.surveysMs}`);
    await thaw.stop();
  });

  it('asks again for what the storage has forgotten', async () => {
    const scene = new Scene();
    scene.add('a', 10 * secondMs);
    scene.add('b', 10 * secondMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a', 'b']);
    scene.onSurvey = () => {
      if (scene.surveysMs.length === 2) scene.objects.get('b')!.readyAtMs = undefined;
    };
    await thaw.allReady();
    assert.deepEqual(scene.asked, [['a', 'b'], ['b']]);
    // The wait that is noted is that of the request which was heard.
    assert.deepEqual(scene.thawed, [
      ['a', 10_300],
      ['b', 10_300],
    ]);
    await thaw.stop();
  });

  it('takes it where what was forgotten can be read at once', async () => {
    const scene = new Scene();
    scene.add('a', 10 * secondMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a']);
    scene.onSurvey = () => {
      scene.objects.set('a', { sizeBytes: 10, thawMs: 0, readyAtMs: undefined });
      scene.onSurvey = () => {};
    };
    await thaw.allReady();
    assert.deepEqual(scene.asked, [['a'], ['a']]);
    await thaw.stop();
  });

  it('tells whoever waits that an object has gone, and lets the others through', async () => {
    const scene = new Scene();
    scene.add('a', 10 * secondMs);
    scene.add('b', 30 * secondMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a', 'b']);
    scene.objects.delete('a');
    await assert.rejects(thaw.ready('a'), { code: 'backend-not-found', message: /^a has gone/ });
    await thaw.ready('b');
    await assert.rejects(thaw.allReady(), { code: 'backend-not-found' });
    await assert.rejects(thaw.ready('a'), { code: 'backend-not-found' });
    await thaw.stop();
  });

  it('lets an object through that got into hot storage meanwhile', async () => {
    const scene = new Scene();
    scene.add('a', hourMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a']);
    scene.survey = async () => [];
    scene.thaw = async () => [];
    await thaw.ready('a');
    assert.equal(thaw.objects[0]!.state, 'ready');
    await thaw.stop();
  });

  it('survives a network that is gone for a while, and tells of it', async () => {
    const scene = new Scene();
    scene.add('a', 5 * secondMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a']);
    scene.failure = new TundraError('connection', 'no route');
    scene.onSurvey = () => {
      if (scene.surveysMs.at(-1)! > 10 * minuteMs) scene.failure = undefined;
    };
    await thaw.allReady();
    assert.ok(scene.warnings.length >= 10 && scene.warnings.length < 25, `${scene.warnings.length}`);
    assert.equal(scene.warnings[0], 'could not ask how the thaw stands: no route');
    const steps = differences(scene.surveysMs).slice(1);
    assert.ok(
      steps.every((step, i) => step >= Math.min(2 ** (i + 1) * secondMs, minuteMs)),
      `${steps}`,
    );
    await thaw.stop();
  });

  it('gives up after 30 failures in a row, and not of others', async () => {
    const scene = new Scene();
    scene.add('a', 5 * secondMs);
    scene.add('ready', 0, 'ready');
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a', 'ready']);
    const failure = new TundraError('connection', 'no route');
    scene.onSurvey = () => {
      scene.failure = scene.surveysMs.length === 20 ? undefined : failure;
      if (scene.surveysMs.length <= 20) scene.objects.get('a')!.readyAtMs = scene.nowMs + 5 * secondMs;
    };
    await assert.rejects(thaw.allReady(), failure);
    assert.equal(scene.surveysMs.length, 20 + 30);
    assert.equal(scene.warnings.length, 18 + 30);
    assert.equal(await stateOf(thaw.ready('ready')), 'resolved');
    await thaw.stop();
  });

  it('ends at once with an error that is a defect', async () => {
    const scene = new Scene();
    scene.add('a', 5 * secondMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a']);
    scene.failure = new TypeError('a defect');
    await assert.rejects(thaw.ready('a'), /a defect/);
    await thaw.stop();
  });

  it('does not note how long a thaw took that somebody else has begun', async () => {
    const scene = new Scene();
    scene.add('a', 5 * secondMs, 'thawing');
    scene.add('b', 5 * secondMs, 'ready');
    scene.add('c', 0);
    await scene.thawAll();
    assert.deepEqual(scene.thawed, []);
  });

  it('tells how all stand, first and after every look', async () => {
    const scene = new Scene();
    scene.add('a', 10 * secondMs, 'sealed', 3);
    scene.add('b', 20 * secondMs, 'sealed', 4);
    await scene.thawAll();
    const brief = scene.progress.map(({ states: { thawing, ready }, readyAtMs }) => [
      thawing.sizeBytes,
      ready.sizeBytes,
      readyAtMs && readyAtMs - startMs,
    ]);
    assert.deepEqual(brief, [
      [7, 0, 20_000],
      [4, 3, 20_000],
      [0, 7, undefined],
    ]);
  });

  it('stops at once, in the middle of a sleep of minutes', async () => {
    const scene = new Scene();
    scene.isClockStopped = true;
    scene.add('a', hourMs);
    const thaw = new Thaw(scene.options);
    await thaw.begin(['a']);
    while (scene.sleepsMs.length === 0) await turn();
    await thaw.stop();
    assert.equal(scene.surveysMs.length, 1);
    assert.equal(await stateOf(thaw.ready('a')), 'pending');
    assert.equal(thaw.objects[0]!.state, 'thawing');
  });

  describe('again', () => {
    it('waits for an object that was sealed before anybody read it', async () => {
      const scene = new Scene();
      scene.add('a', 10 * secondMs);
      const thaw = new Thaw(scene.options);
      await thaw.begin(['a']);
      await thaw.ready('a');
      scene.objects.get('a')!.readyAtMs = undefined;
      await thaw.again('a');
      await thaw.ready('a');
      assert.deepEqual(scene.asked, [['a'], ['a']]);
      assert.deepEqual(scene.thawed, [
        ['a', 10_300],
        ['a', 10_300],
      ]);
      await thaw.stop();
    });

    it('does not let it wait for the next look at the others', async () => {
      const scene = new Scene();
      scene.add('late', 10 * hourMs);
      scene.add('a', 5 * secondMs, 'ready');
      const thaw = new Thaw(scene.options);
      scene.isClockStopped = true;
      await thaw.begin(['late', 'a']);
      while (scene.sleepsMs.length === 0) await turn();
      assert.equal(scene.sleepsMs[0], 10 * minuteMs);
      scene.objects.get('a')!.readyAtMs = undefined;
      await thaw.again('a');
      while (scene.sleepsMs.length === 1) await turn();
      assert.equal(scene.sleepsMs[1], 5300);
      scene.isClockStopped = false;
      await thaw.ready('a');
      scene.isClockStopped = true;
      assert.equal(await stateOf(thaw.ready('late')), 'pending');
      await thaw.stop();
    });

    it('does not believe a storage that refuses an object and calls it ready', async () => {
      const scene = new Scene();
      scene.add('a', 0, 'ready');
      const thaw = new Thaw(scene.options);
      await thaw.begin(['a']);
      await thaw.again('a', [], 100 * secondMs);
      assert.equal(progressOf(thaw.objects).states.thawing.objects, 1);
      await thaw.ready('a');
      assert.equal(scene.nowMs - startMs, 100_300);
      // One that does not say when is not asked without a pause either.
      await thaw.again('a');
      await thaw.ready('a');
      assert.equal(scene.nowMs - startMs, 101_300);
      assert.deepEqual(scene.thawed, []);
      await thaw.stop();
    });

    it('asks at once for others that were sealed too', async () => {
      const scene = new Scene();
      for (const name of ['a', 'b', 'c', 'd']) scene.add(name, 5 * secondMs, 'ready');
      const thaw = new Thaw(scene.options);
      await thaw.begin(['a', 'b', 'c', 'd']);
      for (const name of ['a', 'c']) scene.objects.get(name)!.readyAtMs = undefined;
      assert.deepEqual(await thaw.again('a', ['b', 'c']), ['a', 'c']);
      assert.deepEqual(scene.asked, [['a', 'b', 'c']]);
      assert.equal(progressOf(thaw.objects).states.thawing.objects, 2);
      await thaw.allReady();
      assert.deepEqual(scene.thawed, [
        ['a', 5300],
        ['c', 5300],
      ]);
      await thaw.stop();
    });

    it('says so where it can no longer be asked for', async () => {
      const scene = new Scene();
      scene.add('a', 0, 'ready');
      const thaw = new Thaw(scene.options);
      await thaw.begin(['a']);
      scene.objects.delete('a');
      await assert.rejects(thaw.again('a'), { code: 'backend-not-found' });
      scene.thaw = async () => [];
      await assert.rejects(thaw.again('a'), { code: 'backend', message: /cannot be asked for/ });
      await thaw.stop();
    });
  });
});

describe('progressOf', () => {
  const object = (state: ThawState, readyAtMs?: number): ColdObject => {
    return { name: 'a', sizeBytes: 5, state, storageClass: 'test', store: 'cold', readyAtMs };
  };

  it('counts the objects of each state', () => {
    const { states } = progressOf([object('ready'), object('sealed'), object('ready')]);
    assert.deepEqual(states, {
      sealed: { objects: 1, sizeBytes: 5 },
      thawing: { objects: 0, sizeBytes: 0 },
      ready: { objects: 2, sizeBytes: 10 },
    });
  });

  it('tells when the last one is ready, if it is known of all', () => {
    assert.equal(progressOf([object('thawing', 7), object('ready'), object('thawing', 5)]).readyAtMs, 7);
    assert.equal(progressOf([object('thawing', 7), object('thawing')]).readyAtMs, undefined);
    assert.equal(progressOf([object('thawing', 7), object('sealed')]).readyAtMs, undefined);
    assert.equal(progressOf([]).readyAtMs, undefined);
  });
});
