import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TundraError } from '../base/errors.js';
import { costOf, earlyDeletions, type PricedItem, type PriceTable, parsePrices } from './prices.js';

const path = '/etc/prices.json';

function refusal(text: string): string {
  try {
    parsePrices(text, path);
  } catch (error) {
    assert.ok(error instanceof TundraError);
    assert.equal(error.code, 'user-error');
    assert.match(error.advice!, /looks like .* retrievalPerGb/);
    assert.ok(error.message.startsWith(`price table ${path}: `));
    return error.message.slice(`price table ${path}: `.length);
  }
  assert.fail(`${text} was taken`);
}

test('a price table is read', () => {
  const pca = {
    retrievalPerGb: 0.01,
    requestsPer1000: 0,
    trafficPerGb: 0.01,
    minimumDays: 0,
    storagePerGbMonth: 0.002,
  };
  const table = parsePrices(
    JSON.stringify({ currency: 'EUR', classes: { pca, 'cold+file': {}, 'a "b"': { minimumDays: 90 } } }),
    path,
  );
  assert.equal(table.currency, 'EUR');
  assert.deepEqual(
    [...table.classes],
    [
      ['pca', pca],
      ['cold+file', {}],
      ['a "b"', { minimumDays: 90 }],
    ],
  );
  assert.equal(parsePrices('{"currency":"€","classes":{}}', path).currency, '€');
});

test('an error names the place and what is expected', () => {
  const classes = (text: string) => `{"currency":"EUR","classes":${text}}`;
  assert.equal(refusal('[]'), 'the file must be an object');
  assert.equal(refusal('null'), 'the file must be an object');
  assert.match(refusal('{}'), /^"currency" must be the name of a currency, such as "EUR"$/);
  assert.match(refusal('{"currency":7,"classes":{}}'), /^"currency" must be/);
  assert.match(refusal('{"currency":"","classes":{}}'), /^"currency" must be/);
  assert.match(refusal('{"currency":"\\u001b[31m","classes":{}}'), /^"currency" must be/);
  assert.equal(refusal('{"currency":"EUR"}'), '"classes" is missing');
  assert.equal(refusal(classes('[]')), '"classes" must be an object');
  assert.equal(refusal(classes('{"pca":7}')), 'class "pca" must be an object');
  for (const price of ['-0.01', '"0.01"', 'null', '1e999', '[]']) {
    assert.equal(
      refusal(classes(`{"pca":{"trafficPerGb":${price}}}`)),
      'class "pca": "trafficPerGb" must be a number, 0 or more',
    );
  }
});

test('an unknown key is an error that knows better', () => {
  const keyed = (key: string) => refusal(`{"currency":"EUR","classes":{"pca":{"${key}":1}}}`);
  const start = (key: string) => `class "pca" has the key "${key}", which means nothing`;
  assert.equal(keyed('retreivalPerGB'), `${start('retreivalPerGB')}; did you mean "retrievalPerGb"?`);
  assert.equal(keyed('requestPer1000'), `${start('requestPer1000')}; did you mean "requestsPer1000"?`);
  assert.equal(keyed('colour'), start('colour'));
  assert.equal(keyed('__proto__'), start('__proto__'));
  assert.equal(
    refusal('{"curency":"EUR","classes":{}}'),
    'the file has the key "curency", which means nothing; did you mean "currency"?',
  );
});

test('broken JSON is told with its place', () => {
  assert.match(
    refusal('{"currency": "EUR",\n "classes": {"pca": {}'),
    /^the file is not valid JSON: .*(end of JSON|line 2, column)/,
  );
  assert.match(
    refusal('{"currency": "EUR"\n "classes": {}}'),
    /^the file is not valid JSON: .* at line 2, column 2$/,
  );
  assert.match(refusal(''), /^the file is not valid JSON: /);
});

test('thawing is paid for what is sealed, traffic for all', () => {
  const table = parsePrices(
    JSON.stringify({
      currency: 'EUR',
      classes: {
        pca: { retrievalPerGb: 0.01, requestsPer1000: 5, trafficPerGb: 0.02 },
        archive: { trafficPerGb: 0.1 },
        stored: { storagePerGbMonth: 0.002, minimumDays: 90 },
      },
    }),
    path,
  );
  const item = (storageClass: string, gb: number, state: PricedItem['state']): PricedItem => {
    return { storageClass, sizeBytes: gb * 1e9, state };
  };
  const cost = costOf(table, [
    item('pca', 100, 'sealed'),
    item('s3', 1, 'sealed'),
    item('pca', 50, 'thawing'),
    item('archive', 10, 'sealed'),
    item('pca', 50, 'ready'),
    item('s3', 1, 'ready'),
    item('stored', 1, 'ready'),
  ]);
  assert.deepEqual(cost, {
    currency: 'EUR',
    total: 1 + 0.005 + 4 + 1,
    unpriced: ['s3', 'stored'],
    lines: [
      { storageClass: 'pca', objects: 3, bytes: 200e9, retrieval: 1, requests: 0.005, traffic: 4 },
      { storageClass: 'archive', objects: 1, bytes: 10e9, retrieval: 0, requests: 0, traffic: 1 },
    ],
  });
  assert.deepEqual(costOf(table, []), { currency: 'EUR', total: 0, unpriced: [], lines: [] });
});

test('every object counts once, and what is ready costs no retrieval', () => {
  const known = ['a', 'b', '__proto__'];
  const table: PriceTable = {
    currency: 'EUR',
    classes: new Map(known.map((name) => [name, { retrievalPerGb: 1, requestsPer1000: 2, trafficPerGb: 3 }])),
  };
  const anItem = fc.record({
    storageClass: fc.constantFrom('a', 'b', '__proto__', 'c', 'constructor'),
    sizeBytes: fc.nat(),
    state: fc.constantFrom<PricedItem['state']>('sealed', 'thawing', 'ready'),
  });
  fc.assert(
    fc.property(fc.array(anItem), (items) => {
      const { lines, unpriced, total } = costOf(table, items);
      const priced = items.filter(({ storageClass }) => known.includes(storageClass));
      const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
      assert.equal(sum(lines.map(({ objects }) => objects)), priced.length);
      assert.equal(sum(lines.map(({ bytes }) => bytes)), sum(priced.map(({ sizeBytes }) => sizeBytes)));
      const classes = new Set(items.map(({ storageClass }) => storageClass));
      assert.deepEqual(new Set([...lines.map(({ storageClass }) => storageClass), ...unpriced]), classes);
      const sealed = priced.filter(({ state }) => state === 'sealed');
      const expected =
        sum(sealed.map(({ sizeBytes }) => sizeBytes / 1e9 + 0.002)) +
        sum(priced.map(({ sizeBytes }) => (3 * sizeBytes) / 1e9));
      assert.ok(Math.abs(total - expected) <= 1e-9 * (1 + expected));
    }),
  );
});

test('what is deleted before its least time is still paid for, by class', () => {
  const table = parsePrices(
    JSON.stringify({
      currency: 'EUR',
      classes: {
        deep: { minimumDays: 180, storagePerGbMonth: 0.3 },
        unpriced: { minimumDays: 90 },
        free: { storagePerGbMonth: 1 },
      },
    }),
    'prices.json',
  );
  const day = 86_400;
  const item = (storageClass: string, sizeBytes: number, days: number) => ({
    storageClass,
    sizeBytes,
    ageSeconds: days * day,
  });
  const found = earlyDeletions(table, [
    item('deep', 1e9, 30),
    item('deep', 2e9, 120),
    item('deep', 5e9, 180),
    item('unpriced', 7, 89),
    item('free', 1e9, 0),
    item('unknown', 1e9, 0),
  ]);
  // 150 days of 1 GB, and 60 of 2 GB, are 9 GB months.
  assert.deepEqual(
    found.map((line) => ({ ...line, cost: line.cost?.toFixed(6) })),
    [
      { storageClass: 'deep', minimumDays: 180, objects: 2, bytes: 3e9, cost: '2.700000' },
      { storageClass: 'unpriced', minimumDays: 90, objects: 1, bytes: 7, cost: undefined },
    ],
  );
});
