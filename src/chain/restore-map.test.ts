import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { emptyAttributes } from '../base/attributes.js';
import { isWithin, type PathKey } from '../base/path-key.js';
import {
  type FileChange,
  formatFileListEntry,
  formatFileListHeader,
  type VolumeRecord,
} from '../format/manifest.js';
import { mapRestore, openRestoreMap } from './restore-map.js';
import { SignatureFileWriter } from './signature-file.js';
import { temporaryFolder } from './stores.fixture.js';

const keys: PathKey[] = ['', 'a', 'a\0b', 'a\0b\0c', 'a\0d', 'a b', 'b', 'c\xff', 'd'];

/** What a set holds of a path: a whole file, a difference, an entry that is no file, that it is gone. */
type Held = 'whole' | 'difference' | 'folder' | 'gone';

interface TrialSet {
  held: Map<PathKey, Held>;
  /** Where volumes end: behind which entries, and in the middle of which. */
  volumes: { record: VolumeRecord; keys: Set<PathKey> }[];
  listed: boolean;
}

const held = fc.constantFrom<Held | undefined>(
  'whole',
  'difference',
  'difference',
  'folder',
  'gone',
  undefined,
);

const trialSet: fc.Arbitrary<TrialSet> = fc
  .tuple(
    fc.array(held, { minLength: keys.length, maxLength: keys.length }),
    fc.array(fc.constantFrom('on', 'on', 'cut', 'split'), { minLength: keys.length, maxLength: keys.length }),
    fc.boolean(),
  )
  .map(([all, cuts, listed]) => ({ all, cuts, listed }))
  .map(({ all, cuts, listed }) => {
    const contents = new Map(
      keys.flatMap((key, i) =>
        all[i] === undefined ? [] : [[key, key === '' ? 'folder' : all[i]] as const],
      ),
    );
    const volumes: TrialSet['volumes'] = [];
    let gathered: PathKey[] = [];
    const end = () => {
      if (gathered.length === 0) return;
      const record = {
        number: volumes.length + 1,
        startKey: gathered[0]!,
        startBlock: undefined,
        endKey: gathered.at(-1)!,
        endBlock: undefined,
        hashes: [],
      };
      volumes.push({ record, keys: new Set(gathered) });
      gathered = [];
    };
    for (const [i, key] of [...contents.keys()].entries()) {
      gathered.push(key);
      if (cuts[i] === 'on') continue;
      end();
      // A file that goes on in the next volume.
      if (cuts[i] === 'split') gathered.push(key);
    }
    end();
    return { held: contents, volumes, listed };
  });

function changeOf(held: Held, before: boolean): FileChange {
  if (held === 'gone') return 'deleted';
  return held === 'difference' || before ? 'changed' : 'new';
}

function manifestOf(set: TrialSet, before: ReadonlySet<PathKey>): Buffer {
  if (!set.listed) return Buffer.from('Volume 1:\n    StartingPath   .\n    EndingPath     x\n');
  const lines = [...set.held]
    .filter(([, held]) => held !== 'folder')
    .map(([key, held]) => formatFileListEntry(changeOf(held, before.has(key) && held !== 'whole'), key));
  return Buffer.from(
    `Volume 1:\n    StartingPath   .\n    EndingPath     x\n${formatFileListHeader(lines.length)}${lines.join('')}`,
    'latin1',
  );
}

describe('mapRestore', () => {
  it('needs the volumes that hold what is wanted, and no other', async (t) => {
    const folder = temporaryFolder(t);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(trialSet, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...keys),
        async (sets, wanted) => {
          const run = runs++;
          const seen = new Set<PathKey>();
          const mapped = sets.map((set, age) => {
            const signatures = join(folder, `${run}.${age}`);
            const writer = new SignatureFileWriter(signatures);
            const manifest = manifestOf(set, new Set(seen));
            for (const [key, held] of set.held) {
              const kind = held === 'folder' ? 'snapshot' : held === 'gone' ? 'deleted' : 'signature';
              const type = held === 'folder' ? 'directory' : 'file';
              writer.add(kind, key, { ...emptyAttributes, name: '', sizeBytes: 0, type, mtimeSeconds: age });
              seen.add(key);
            }
            writer.finish();
            async function* stream() {
              yield manifest;
            }
            return { volumes: set.volumes.map(({ record }) => record), manifest: stream, signatures };
          });

          // What is to come back, and from which sets, worked out path by path.
          const expected = sets.map(() => new Set<number>());
          const states: [PathKey, number][] = [];
          for (const key of keys.filter((key) => isWithin(key, wanted))) {
            const ages = sets.flatMap((set, age) => (set.held.has(key) ? [age] : []));
            const newest = ages.at(-1);
            if (newest === undefined || sets[newest]!.held.get(key) === 'gone') continue;
            states.push([key, newest]);
            for (const age of ages.toReversed()) {
              const held = sets[age]!.held.get(key)!;
              if (age !== newest && (held === 'folder' || held === 'gone')) break;
              for (const { record, keys } of sets[age]!.volumes) {
                if (keys.has(key)) expected[age]!.add(record.number);
              }
              if (held === 'folder' || (held === 'whole' && sets[age]!.listed)) break;
            }
          }

          const path = join(folder, `${run}.index`);
          const { needed, entries } = await mapRestore(mapped, wanted, path);
          assert.deepEqual(needed, expected);
          assert.equal(entries, states.length);
          const found: [PathKey, number][] = [];
          const index = openRestoreMap(path);
          for (let entry = index.next(); entry !== undefined; entry = index.next()) {
            found.push([entry.key, entry.file]);
          }
          index.close();
          assert.deepEqual(found, states);
        },
      ),
      { numRuns: 200 },
    );
  });
});
