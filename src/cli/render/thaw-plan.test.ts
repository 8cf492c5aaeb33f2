import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePrices } from '../../config/prices.js';
import type { PlannedObject, ThawPlan } from '../../operations/thaw-plan.js';
import { isReady, thawPlanJson, thawPlanText } from './thaw-plan.js';

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const path = '/home/me/prices.json';

const prices = parsePrices(
  JSON.stringify({
    currency: 'EUR',
    classes: { pca: { retrievalPerGb: 2, requestsPer1000: 1000, trafficPerGb: 1 } },
  }),
  path,
);

function volume(
  name: string,
  state: PlannedObject['state'],
  more: Partial<PlannedObject> = {},
): PlannedObject {
  const isHot = state === 'hot';
  return {
    name,
    sizeBytes: 500_000_000,
    state,
    storageClass: isHot ? undefined : 'pca',
    store: isHot ? undefined : 'pca://cold',
    readyAtMs: undefined,
    readyUntilMs: undefined,
    ...more,
  };
}

const waits: ThawPlan['waits'] = [
  { storageClass: 'pca', expected: { fromMs: 600_000, toMs: 43_200_000, source: 'class' } },
];

const mixed: ThawPlan = {
  volumes: [
    volume('h', 'hot'),
    volume('t', 'thawing', { readyAtMs: nowMs + 90_000 }),
    volume('s1', 'sealed'),
    volume('s2', 'sealed'),
    volume('r', 'ready', { readyUntilMs: nowMs + 3_600_000 }),
    volume('u', 'thawing', { readyAtMs: nowMs + 30_000 }),
  ],
  waits,
};

const textOf = (plan: ThawPlan, { table = undefined as typeof prices | undefined, listed = false } = {}) =>
  thawPlanText(plan, nowMs, table, path, listed).split('\n');

describe('thawPlanText', () => {
  it('counts the volumes by how they stand, and tells waits and cost', () => {
    assert.deepEqual(textOf(mixed, { table: prices }), [
      'Volumes needed: 6 (2.79 GB)',
      '  hot           1  477 MB: can be read at any time',
      '  ready         1  477 MB: thawed, can be read now',
      '  thawing       2  954 MB: asked for, on its way',
      '  sealed        2  954 MB: in cold storage, not asked for',
      'On their way: ready at 2026-01-02T03:05:35.000Z (in 1 minute 30.00 seconds), as the storage says',
      'Expected wait for pca: 10 minutes to 12 hours, as is known of this class of storage',
      // Retrieval and requests of what is sealed: 2 + 2; traffic of all that is cold: 2.5.
      'Cost: 6.50 EUR by /home/me/prices.json',
    ]);
  });

  it('says that a cost is not known, for want of a table or of a price', () => {
    assert.equal(textOf(mixed).at(-1), 'Cost: not known, as there is no price table at /home/me/prices.json');
    const other = {
      volumes: [volume('a', 'sealed', { storageClass: 'other' }), volume('b', 'sealed')],
      waits,
    };
    assert.deepEqual(textOf(other, { table: prices }).slice(-2), [
      'Cost: 2.50 EUR by /home/me/prices.json',
      'Cost of other: not known, no price in /home/me/prices.json',
    ]);
  });

  it('says nothing of waits and cost where all is hot', () => {
    const hot = { volumes: [volume('h', 'hot', { sizeBytes: 10 })], waits: [] };
    assert.deepEqual(textOf(hot, { table: prices }), [
      'Volumes needed: 1 (10 bytes)',
      '  hot           1  10 bytes: can be read at any time',
      'Expected wait: none',
    ]);
  });

  it('says what it does not know of waits', () => {
    const unknown: ThawPlan = {
      volumes: [volume('t', 'thawing'), volume('s', 'sealed')],
      waits: [{ storageClass: 'pca', expected: undefined }],
    };
    assert.deepEqual(textOf(unknown).slice(3, 5), [
      'On their way: the storage does not tell when they are ready',
      'Expected wait for pca: not known; the storage tells once it is asked',
    ]);
    const seen: ThawPlan = {
      volumes: [volume('s', 'sealed')],
      waits: [{ storageClass: 'pca', expected: { fromMs: 1000, toMs: 2000, source: 'seen' } }],
    };
    assert.equal(textOf(seen)[2], 'Expected wait for pca: 1 second to 2.00 seconds, as seen here before');
    // Nothing of that class is left to be asked for.
    assert.ok(
      !textOf({ volumes: [volume('t', 'thawing')], waits }).some((line) => line.startsWith('Expected')),
    );
  });

  it('names each volume if it is asked to', () => {
    const lines = textOf(mixed, { listed: true });
    assert.deepEqual(lines.slice(lines.indexOf('Volumes:')), [
      'Volumes:',
      '  h  477 MB  hot',
      '  t  477 MB  thawing, at 2026-01-02T03:05:35.000Z (in 1 minute 30.00 seconds)',
      '  s1  477 MB  sealed',
      '  s2  477 MB  sealed',
      '  r  477 MB  ready',
      '  u  477 MB  thawing, at 2026-01-02T03:04:35.000Z (in 30.00 seconds)',
    ]);
  });

  it('counts no time that has passed', () => {
    const late = { volumes: [volume('t', 'thawing', { readyAtMs: nowMs - 5000 })], waits: [] };
    assert.match(textOf(late)[2]!, /\(in 0\.00 seconds\)/);
  });
});

describe('thawPlanJson', () => {
  const jsonOf = (plan: ThawPlan, table?: typeof prices) => JSON.parse(thawPlanJson(plan, table));

  it('has all of the plan', () => {
    const { volumes, ...rest } = jsonOf(mixed, prices);
    assert.deepEqual(rest, {
      ready: false,
      readyAt: '2026-01-02T03:05:35.000Z',
      states: {
        hot: { volumes: 1, bytes: 500_000_000 },
        ready: { volumes: 1, bytes: 500_000_000 },
        thawing: { volumes: 2, bytes: 1_000_000_000 },
        sealed: { volumes: 2, bytes: 1_000_000_000 },
      },
      expectedWaits: [{ storageClass: 'pca', fromSeconds: 600, toSeconds: 43_200, source: 'class' }],
      cost: { currency: 'EUR', total: 6.5, unpriced: [] },
    });
    assert.equal(volumes.length, 6);
    assert.deepEqual(volumes[0], {
      name: 'h',
      bytes: 500_000_000,
      state: 'hot',
      storageClass: null,
      store: null,
      readyAt: null,
      readyUntil: null,
    });
    assert.equal(volumes[1].readyAt, '2026-01-02T03:05:35.000Z');
    assert.equal(volumes[4].readyUntil, '2026-01-02T04:04:05.000Z');
  });

  it('has null for what is not known', () => {
    const unknown = jsonOf({
      volumes: [volume('t', 'thawing'), volume('s', 'sealed')],
      waits: [{ storageClass: 'pca', expected: undefined }],
    });
    assert.deepEqual([unknown.readyAt, unknown.cost], [null, null]);
    const [wait] = unknown.expectedWaits;
    assert.deepEqual(wait, { storageClass: 'pca', fromSeconds: null, toSeconds: null, source: null });
    assert.deepEqual(jsonOf({ volumes: [], waits: [] }), {
      ready: true,
      readyAt: null,
      states: {},
      expectedWaits: [],
      cost: null,
      volumes: [],
    });
  });
});

describe('isReady', () => {
  it('holds as soon as nothing is sealed or on its way', () => {
    assert.ok(isReady({ volumes: [volume('h', 'hot'), volume('r', 'ready')], waits }));
    assert.ok(!isReady({ volumes: [volume('h', 'hot'), volume('t', 'thawing')], waits }));
    assert.ok(!isReady({ volumes: [volume('s', 'sealed')], waits }));
  });
});
