import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storageEndpoints, storageUrlAt } from './catalogue.js';

const version3 = [
  { type: 'identity', endpoints: [{ interface: 'public', region: 'X', url: 'http://keystone' }] },
  {
    type: 'object-store',
    endpoints: [
      { interface: 'admin', region: 'GRA', url: 'http://gra-admin' },
      { interface: 'public', region: 'GRA', url: 'http://gra' },
      { interface: 'public', region_id: 'SBG', url: 'http://sbg' },
    ],
  },
];
const version2 = [
  {
    type: 'object-store',
    endpoints: [{ region: 'GRA', publicURL: 'http://gra', internalURL: 'http://gra-internal' }],
  },
];

test('the endpoint of the region and the type', () => {
  const at = (catalogue: unknown, region: string | undefined, endpointType = 'public') =>
    storageUrlAt(storageEndpoints(catalogue), { region, endpointType }, 'SWIFT');
  assert.equal(at(version3, undefined), 'http://gra');
  assert.equal(at(version3, 'SBG'), 'http://sbg');
  assert.equal(at(version3, 'gra', 'admin'), 'http://gra-admin');
  assert.equal(at(version2, undefined), 'http://gra');
  assert.equal(at(version2, 'GRA', 'internal'), 'http://gra-internal');
  assert.throws(() => at(version3, 'BHS'), {
    code: 'user-error',
    message: 'there is no object storage in the region BHS; there is in GRA, SBG',
    advice: 'Set SWIFT_REGIONNAME.',
  });
  assert.throws(() => at(version3, 'SBG', 'internal'), {
    message: 'the object storage has no endpoint of the type internal; it has public',
    advice: 'Set SWIFT_ENDPOINT_TYPE.',
  });
  assert.throws(() => at([version3[0]], undefined), {
    message: 'the account has no object storage in its service catalogue',
  });
});

test('a region that is no text has no name', () => {
  const url = 'http://gra';
  const endpoints = [{ interface: 'public', region: { toString: 1, valueOf: 2 }, url }];
  const found = storageEndpoints([{ type: 'object-store', endpoints }]);
  assert.deepEqual(found, [{ region: '', type: 'public', url }]);
});

test('a catalogue that is none is empty', () => {
  const odd = [
    null,
    7,
    'x',
    {},
    [
      null,
      { type: 'object-store' },
      { type: 'object-store', endpoints: [null, {}, { url: 'no address', interface: 'public' }] },
    ],
  ];
  for (const catalogue of odd) assert.deepEqual(storageEndpoints(catalogue), []);
});
