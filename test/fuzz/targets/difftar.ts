import { TundraError } from '../../../src/base/errors.js';
import type { PathKey } from '../../../src/base/path-key.js';
import { writeContents } from '../../../src/change/contents.js';
import { Merge } from '../../../src/change/merge.js';
import { SetReader } from '../../../src/volume/set-reader.js';
import { goldenBytes } from '../../golden/golden.js';
import { headerOf, tarOf } from '../../golden/tar-sample.js';
import { TrialFolder } from '../folder.js';
import type { Random } from '../random.js';
import { tarMutations, withChecksums } from '../tar-mutations.js';
import { about, type FuzzTarget, inPieces } from '../target.js';

const folder = new TrialFolder();
let scratches = 0;

/** Volumes of a set. The first is cut in two at a block, as a split file is. */
function volumesOf(tars: Buffer[], lowest: PathKey[]) {
  return tars.map((bytes, index) => ({
    number: index + 1,
    name: `volume ${index + 1}`,
    startKey: lowest[index] ?? '',
    lowestKey: lowest[index] ?? '',
    bytes,
  }));
}

function readerOf(age: number, tars: Buffer[], lowest: PathKey[], random: Random, isLenient: boolean) {
  return new SetReader(age, volumesOf(tars, lowest), random.oneIn(8) ? 'pieces' : '', {
    open: async ({ bytes }) =>
      random.oneIn(40) && isLenient ? undefined : { bytes: inPieces(bytes, random), close: async () => {} },
    ...(isLenient && { onDamage: () => {}, onCutShort: () => {} }),
    skipsVolumes: random.oneIn(4),
  });
}

/** The difftars of a full set and of one after it: merged, and every file put together. One of them is mutated. */
export const difftar: FuzzTarget = {
  samples() {
    const pieces = (name: string, count: number) =>
      tarOf(
        Array.from({ length: count }, (_, index) => {
          const sizeBytes = index + 1 < count ? 65_536 : 100;
          const header = headerOf({ name: `multivol_snapshot/${name}/${index + 1}`, sizeBytes });
          return { header, body: Buffer.alloc(sizeBytes, name) };
        }),
      );
    return [...['full.difftar.gz', 'inc.difftar.gz'].map(goldenBytes), pieces('pieces', 2)];
  },
  words: [
    'snapshot/',
    'diff/',
    'deleted/',
    'multivol_snapshot/',
    'multivol_diff/',
    '/1',
    '/2',
    '../',
    'rs\x026',
  ],
  mutations: tarMutations,
  mend: withChecksums,
  mostBytes: 200_000,
  async run(bytes, random) {
    const isLenient = random.oneIn(2);
    const isFull = random.oneIn(2);
    const full = isFull ? bytes : goldenBytes('full.difftar.gz');
    const inc = isFull ? goldenBytes('inc.difftar.gz') : bytes;
    const cut = random.oneIn(3) ? 512 * random.below(1 + full.length / 512) : undefined;
    const fullSet = cut === undefined ? [full] : [full.subarray(0, cut), full.subarray(cut)];
    const bound = random.pick(['', 'pieces', 'plain']);
    const streams = [
      readerOf(0, fullSet, ['', bound], random, isLenient),
      readerOf(1, [inc], [''], random, isLenient),
    ];
    let files = 0;
    let damaged = 0;
    let writtenBytes = 0;
    try {
      for await (const versions of new Merge(streams)) {
        const newest = versions.at(-1)!.entry!;
        if (newest.header.type !== 'file' || random.oneIn(8)) continue;
        files++;
        try {
          await writeContents(versions, scratchPath, (piece) => {
            writtenBytes += piece.length;
          });
        } catch (error) {
          // As a restore does: damage ends the file, not the run.
          if (!(error instanceof TundraError) || error.code !== 'format') throw error;
          damaged++;
        }
      }
    } finally {
      for (const stream of streams) await stream.close();
    }
    return `${about(files)} ${about(damaged)} ${about(writtenBytes)}`;
  },
  close: () => folder.remove(),
};

function scratchPath(): string {
  return folder.path(`scratch.${scratches++}`);
}
