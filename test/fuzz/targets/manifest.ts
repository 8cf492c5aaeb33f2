import { planRestore, requireWholeManifest } from '../../../src/chain/restore-plan.js';
import type { BackupSet } from '../../../src/chain/sets.js';
import { bestHash, ManifestParser } from '../../../src/format/manifest.js';
import { noPrefixes } from '../../../src/format/names.js';
import { goldenBytes } from '../../golden/golden.js';
import { about, type FuzzTarget, inPieces } from '../target.js';

const set: BackupSet = {
  times: { type: 'full', time: 1_000_000_000 },
  volumes: new Map(
    Array.from({ length: 9 }, (_, i) => [i + 1, `duplicity-full.20010909T014640Z.vol${i + 1}.difftar`]),
  ),
  manifestName: 'duplicity-full.20010909T014640Z.manifest',
  localManifestName: undefined,
  partial: false,
  encrypted: false,
};

/** A manifest: read, checked for gaps, and planned with. */
export const manifest: FuzzTarget = {
  samples: () => [
    ...['full.manifest', 'inc.manifest', 'split.manifest'].map(goldenBytes),
    Buffer.from(
      'Hostname h\nLocaldir "/a\\x20b"\nVolume 1:\n    StartingPath . \n    EndingPath b 3\n    Hash MD5 0\n',
    ),
  ],
  words: [
    'Hostname ',
    'Localdir ',
    'Volume 1:\n',
    'Volume 9007199254740993:\n',
    '    StartingPath   ',
    '    EndingPath     ',
    '    Hash SHA1 ',
    'Filelist 3\n',
    '    new      ',
    '    deleted  ',
    '"\\x20"',
    '\\x',
    '"',
    '\n',
    '\r\n',
  ],
  async run(bytes, random) {
    let files = 0;
    const counted = { onFile: () => void files++ };
    const parser = new ManifestParser({
      ...(random.oneIn(2) && counted),
      limitBytes: random.pick([1000, 1 << 28]),
    });
    for await (const piece of inPieces(bytes, random)) parser.update(piece);
    const found = parser.finish();
    await requireWholeManifest(set, found, 'the manifest', async () => random.oneIn(2));
    const wanted = random.pick(['', 'a', 'pieces', 'gone\0file']);
    const plan = await planRestore([set], wanted, noPrefixes, async () => found);
    for (const volume of found.volumes) bestHash(volume);
    return `${about(found.volumes.length)} ${about(files)} ${plan.sets[0]!.length} ${found.fileListComplete}`;
  },
};
