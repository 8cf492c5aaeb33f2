import { TarReader } from '../../../src/format/tar/read.js';
import { goldenBytes } from '../../golden/golden.js';
import { headerOf, tarOf } from '../../golden/tar-sample.js';
import { tarMutations, withChecksums } from '../tar-mutations.js';
import { about, type FuzzTarget, inPieces } from '../target.js';

const goldenTars = ['pax.tar.gz', 'gnu.tar.gz', 'ustar.tar.gz', 'full.difftar.gz', 'inc.difftar.gz'];

/** Any tar: every header, and bodies in all the ways there are to take them. */
export const tar: FuzzTarget = {
  samples() {
    const own = ['file', 'n'.repeat(300), '\xff/\xe9'].map((name, index) =>
      tarOf([
        { header: headerOf({ name, sizeBytes: 700 }), body: Buffer.alloc(700, name) },
        {
          header: headerOf({
            name: `${name}/`,
            type: 'directory',
            uid: 2 ** 31,
            uname: 'u'.repeat(40 * index),
          }),
          body: Buffer.alloc(0),
        },
        {
          header: headerOf({
            name: `${name}.`,
            type: 'symlink',
            linkTarget: name.repeat(2),
            mtimeSeconds: 2 ** 40,
          }),
          body: Buffer.alloc(0),
        },
      ]),
    );
    return [...own, ...goldenTars.map(goldenBytes)];
  },
  mutations: tarMutations,
  mend: withChecksums,
  async run(bytes, random) {
    const reader = new TarReader(inPieces(bytes, random), 'sample');
    let entries = 0;
    let types = '';
    for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
      entries++;
      if (entries < 6) types += `${header.type} ${about(header.name.length)} ${about(header.sizeBytes)} `;
      const way = random.below(4);
      if (way === 0) await reader.readBody(1 << 20);
      if (way === 1) reader.bodyIfBuffered();
      for (let pieces = random.below(100); way === 2 && pieces > 0; pieces--) {
        const piece = reader.pollBody();
        if (piece === undefined) break;
        if (piece === 'more') await reader.fill();
      }
    }
    if (random.oneIn(2)) await reader.drain();
    await reader.close();
    return `${about(entries)} ${types}`;
  },
};
