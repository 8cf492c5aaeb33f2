import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { noPrefixes, parseRemoteName } from './names.js';
import { formatStatisticsName, parseStatisticsName } from './statistics-name.js';

const sets = [
  { set: { type: 'full', time: 1_700_000_000 }, name: 'duplicity-full.20231114T221320Z.jsonstat' },
  {
    set: { type: 'incremental', start: 1_700_000_000, end: 1_700_000_100 },
    name: 'duplicity-inc.20231114T221320Z.to.20231114T221500Z.jsonstat',
  },
] as const;

describe('names of statistics', () => {
  it('are those of duplicity 3, there and back', () => {
    for (const { set, name } of sets) {
      for (const [encrypted, suffix] of [
        [false, ''],
        [true, '.gpg'],
      ] as const) {
        const prefixes = { ...noPrefixes, all: 'a_', statistics: 's_' };
        const parsed = { set, encrypted, compressed: false };
        assert.equal(formatStatisticsName(parsed, prefixes), `a_s_${name}${suffix}`);
        assert.deepEqual(parseStatisticsName(`a_s_${name}${suffix}`, prefixes), parsed);
      }
      assert.equal(parseStatisticsName(`${name}.gz`, noPrefixes)?.compressed, true);
      // Neither is taken for the other.
      assert.equal(parseRemoteName(name, noPrefixes), undefined);
    }
    for (const name of [
      'x',
      'duplicity-full.x.jsonstat',
      'duplicity-full.20231114T221320Z.manifest',
      `a${sets[0].name}`,
    ])
      assert.equal(parseStatisticsName(name, noPrefixes), undefined);
  });
});
