import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BackupSet, readCatalog } from '../../chain/catalog.js';
import type { ListedFile } from '../../chain/metadata.js';
import { noPrefixes } from '../../format/names.js';
import {
  changesInSetText,
  collectionStatusLogLines,
  collectionStatusText,
  fileChangedText,
} from './collection-status.js';

process.env.TZ = 'Europe/Berlin';

const full = 'duplicity-full.20200101T000000Z';
const fullSignatures = 'duplicity-full-signatures.20200101T000000Z.sigtar.gpg';
const inc = 'duplicity-inc.20200101T000000Z.to.20200701T000000Z';
const incSignatures = 'duplicity-new-signatures.20200101T000000Z.to.20200701T000000Z.sigtar.gpg';
const remote = [
  ...[`${full}.vol1.difftar.gpg`, `${full}.vol2.difftar.gpg`, `${full}.manifest.gpg`, fullSignatures],
  ...[`${inc}.vol1.difftar.gpg`, `${inc}.manifest.gpg`, incSignatures],
];
const places = { archiveFolder: '/archive' };

describe('collectionStatusText', () => {
  it('shows the primary chain', () => {
    assert.equal(
      collectionStatusText(readCatalog(remote, [], noPrefixes), places),
      `Collection Status
-----------------
Connecting with backend: BackendWrapper
Archive dir: /archive

Found 0 secondary backup chains.

Found primary backup chain with matching signature chain:
-------------------------
Chain start time: Wed Jan  1 01:00:00 2020
Chain end time: Wed Jul  1 02:00:00 2020
Number of contained backup sets: 2
Total number of contained volumes: 3
 Type of backup set:                            Time:      Num volumes:
                Full         Wed Jan  1 01:00:00 2020                 2
         Incremental         Wed Jul  1 02:00:00 2020                 1
-------------------------
No orphaned or incomplete backup sets found.`,
    );
  });

  it('shows what fits no chain', () => {
    const rest = remote.filter((name) => !name.startsWith(full) && name !== fullSignatures);
    const catalog = readCatalog([...rest, `${full}.vol1.difftar.gpg`], [], noPrefixes);
    const lines = collectionStatusText(catalog, places).split('\n');
    assert.deepEqual(lines.slice(5), [
      'Found 0 secondary backup chains.',
      'No backup chains with active signatures found',
      'Also found 1 backup set not part of any chain,',
      'and 1 incomplete backup set.',
      'These may be deleted by running duplicity with the "cleanup" command.',
    ]);
  });
});

describe('collectionStatusLogLines', () => {
  it('names every set', () => {
    assert.deepEqual(collectionStatusLogLines(readCatalog(remote, [], noPrefixes)), [
      'backend BackendWrapper',
      'archive-dir (. dir)',
      'chain-complete',
      ' full 20200101T000000Z 2 enc',
      ' inc 20200701T000000Z 1 enc',
      'orphaned-sets-num 0',
      'incomplete-sets-num 0',
    ]);
  });
});

const sets = readCatalog(remote, [], noPrefixes).chains[0]!;
const set: BackupSet = sets.incrementals[0]!;

describe('changesInSetText', () => {
  const text = async (files: ListedFile[]) => {
    const open = async function* () {
      yield* files;
    };
    const lines: string[] = [];
    for await (const line of changesInSetText(set, open)) lines.push(line);
    return lines;
  };

  it('lists paths as the manifest has them', async () => {
    const key = (text: string) => Buffer.from(text, 'utf8').toString('latin1').replaceAll('/', '\0');
    assert.deepEqual(
      await text([
        { change: 'new', key: key('a b/c') },
        { change: 'changed', key: key('é') },
        { change: 'deleted', key: key('😀') },
      ]),
      [
        '-------------------------',
        ' Backup set time: Wed Jul  1 02:00:00 2020',
        'Total number of changes: 3',
        'File:       Type of file change:',
        '"a\\x20b/c"                   new',
        'é                        changed',
        '😀                        deleted',
        '-------------------------',
      ],
    );
  });

  it('shows a set without changes', async () => {
    assert.deepEqual((await text([])).slice(2, 4), [
      'Total number of changes: 0',
      'File:  Type of file change:',
    ]);
  });
});

describe('fileChangedText', () => {
  it('shows the sets that a file changed in', () => {
    const records = [
      { set: sets.full, change: 'new' as const },
      { set, change: 'deleted' as const },
    ];
    assert.equal(
      fileChangedText('d e/f\xc3\xa9', records),
      `-------------------------
File: d e/fé
Total number of backup: 2
 Type of backup set:                            Time:  Type of file change:
                Full         Wed Jan  1 01:00:00 2020                   New
         Incremental         Wed Jul  1 02:00:00 2020               Deleted
-------------------------`,
    );
  });
});
