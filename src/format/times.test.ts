import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { askPeer } from '../../test/golden/peer.js';
import { needs } from '../../test/peers.js';
import { TundraError } from '../base/errors.js';
import { formatTime, parseInterval, parseNameTime, parseUserTime, prettyTime } from './times.js';

const zones = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Asia/Kolkata',
  'America/St_Johns',
  'Australia/Sydney',
];

function inZone<T>(zone: string, run: () => T): T {
  const before = process.env.TZ;
  process.env.TZ = zone;
  try {
    return run();
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
}

const now = 1700000000;
const outcome = <T>(run: () => T): T | null => {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof TundraError && error.code === 'command-line', String(error));
    return null;
  }
};

test('a time in a name is read back', () => {
  assert.equal(formatTime(1019820121), '20020426T112201Z');
  fc.assert(
    fc.property(fc.integer({ min: -2177452800, max: 4102444799 }), (time) => {
      fc.pre(time !== 0);
      assert.equal(parseNameTime(formatTime(time)), time);
    }),
  );
});

test('times of older names are read with any separator', () => {
  for (const text of ['2002-08-06T04:22:00-07:00', '2002-08-06T04_22_00-07_00', '2002-08-06T11.22.00Z']) {
    assert.equal(parseNameTime(text), 1028632920, text);
  }
  assert.equal(parseNameTime('20020806t112200z'), 1028632920);
  assert.equal(parseNameTime('1028632920'), 1028632920);
});

test('minutes of a western zone count up in old names, and west in what a user writes', () => {
  assert.equal(parseNameTime('2002-01-06T04:22:00-04:30'), parseNameTime('20020106T075200Z'));
  assert.equal(parseUserTime('2002-01-06T04:22:00-04:30', now), parseNameTime('20020106T085200Z'));
});

test('what is no time in a name is undefined', () => {
  for (const text of ['', '0', 'now', '1D', '2002-08-06T04:22_00Z', '99999999999999', '20021306T112200Z']) {
    assert.equal(parseNameTime(text), undefined, text);
  }
});

test('times as a user gives them', () => {
  inZone('America/New_York', () => {
    const expected: [string, number][] = [
      ['now', now],
      ['1028632920', 1028632920],
      ['1D12h', now - 129600],
      ['2W3M1Y5m7s', now - (2 * 7 + 90 + 365) * 86400 - 307],
      ['2002-08-06T04:22:00-07:00', 1028632920],
      ['20020806T112200Z', 1028632920],
      ['2002-08-06T06:22:00', 1028632920],
      ['2002/4/26', 1019797200],
      ['04/26/2002', 1019797200],
      ['4-26-2002', 1019797200],
      ['2002-04-26', 1019797200],
      ['20020426Z', 1019797200],
    ];
    for (const [text, time] of expected) assert.equal(parseUserTime(text, now), time, text);
  });
});

test('a bad time names itself and says what is right', () => {
  for (const text of [
    '',
    'yesterday',
    '1d',
    '1D ',
    '26/04/2002',
    '2002-04-26T25:00:00Z',
    '1D1',
    '-5',
    '9'.repeat(30),
  ]) {
    assert.throws(
      () => parseUserTime(text, now),
      (error) =>
        error instanceof TundraError &&
        error.code === 'command-line' &&
        error.message.includes(text) &&
        error.advice !== undefined,
      text,
    );
  }
});

test('an interval is a sum', () => {
  assert.equal(parseInterval('1D12h'), 129600);
  assert.equal(parseInterval('0s'), 0);
  for (const text of ['', '5', 'D', '1x', '1D-2h', '1D 2h', `${'9'.repeat(30)}Y`]) {
    assert.throws(() => parseInterval(text), TundraError, text);
  }
});

test('a pretty time has a padded day', () => {
  inZone('UTC', () => {
    assert.equal(prettyTime(1795381200), 'Sun Nov 22 21:00:00 2026');
    assert.equal(prettyTime(1028632920), 'Tue Aug  6 11:22:00 2002');
  });
});

/** Times near and far from what is right. */
const userText = fc.oneof(
  fc.integer({ min: 1, max: 2 ** 31 }).map(String),
  fc
    .array(fc.tuple(fc.nat(400), fc.constantFrom('s', 'm', 'h', 'D', 'W', 'M', 'Y', 'd')), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => parts.flat().join('')),
  fc
    .record({
      year: fc.integer({ min: 1975, max: 2036 }),
      month: fc.integer({ min: 0, max: 13 }),
      day: fc.integer({ min: 0, max: 32 }),
      hour: fc.integer({ min: 0, max: 24 }),
      minute: fc.integer({ min: 0, max: 60 }),
      second: fc.integer({ min: 0, max: 62 }),
      zone: fc.constantFrom('', 'Z', '+02:00', '-07:00', '+05:30', '+5:00', 'z'),
      form: fc.constantFrom('iso', 'compact', 'date', 'american', 'dateZ'),
      separator: fc.constantFrom('-', '/'),
    })
    .map(({ year, month, day, hour, minute, second, zone, form, separator }) => {
      const [mm, dd, h, m, s] = [month, day, hour, minute, second].map((part) =>
        String(part).padStart(2, '0'),
      );
      if (form === 'iso') return `${year}-${mm}-${dd}T${h}:${m}:${s}${zone}`;
      if (form === 'compact') return `${year}${mm}${dd}T${h}${m}${s}Z`;
      if (form === 'date') return [year, month, day].join(separator);
      if (form === 'dateZ') return `${year}${mm}${dd}Z`;
      return [mm, dd, year].join(separator);
    }),
);

test('times mean what they mean to duplicity, in several zones', (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const texts = fc.sample(userText, { numRuns: 600, seed: 5 });
  const moments = fc.sample(fc.integer({ min: 0, max: 2 ** 31 }), { numRuns: 100, seed: 5 });
  const program = `
from duplicity import dup_time
def read(text):
    try:
        return dup_time.genstrtotime(text, ${now})
    except dup_time.TimeException:
        return None
answer = [[read(text) for text in given[0]], [dup_time.timetopretty(m) for m in given[1]]]`;
  for (const zone of zones) {
    const [times, pretty] = askPeer<[(number | null)[], string[]]>(program, [texts, moments], { TZ: zone });
    assert.ok(times.some((time) => time === null) && times.some((time) => time !== null));
    inZone(zone, () => {
      texts.forEach((text, i) => {
        assert.equal(
          outcome(() => parseUserTime(text, now)),
          times[i],
          `${text} in ${zone}`,
        );
      });
      moments.forEach((moment, i) => {
        assert.equal(prettyTime(moment), pretty[i], `${moment} in ${zone}`);
      });
    });
  }
});

test('old names that duplicity wrote in a zone are read as it reads them', (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const moments = fc.sample(fc.integer({ min: 200000000, max: 2 ** 31 }), { numRuns: 60, seed: 6 });
  const program = `
from duplicity import config, dup_time
config.old_filenames = True
config.time_separator = u'_'
answer = [dup_time.timetostring(m) for m in given]`;
  for (const zone of zones) {
    const names = askPeer<string[]>(program, moments, { TZ: zone });
    names.forEach((name, i) => {
      assert.equal(parseNameTime(name), moments[i], `${name} in ${zone}`);
    });
  }
});
