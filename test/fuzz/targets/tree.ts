import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { errnoOf, TundraError } from '../../../src/base/errors.js';
import { writeContents } from '../../../src/change/contents.js';
import { Merge } from '../../../src/change/merge.js';
import { TreeWriter } from '../../../src/target/tree-writer.js';
import { SetReader } from '../../../src/volume/set-reader.js';
import { goldenBytes } from '../../golden/golden.js';
import { headerOf, tarOf } from '../../golden/tar-sample.js';
import { TrialFolder } from '../folder.js';
import { tarMutations, withChecksums } from '../tar-mutations.js';
import { about, type FuzzTarget, inPieces } from '../target.js';

const folder = new TrialFolder();
const outside = 'outside';
const bytesOutside = 'untouched';

function entry(name: string, linkTarget?: string) {
  const body = Buffer.from(linkTarget === undefined && !name.endsWith('/') ? 'data' : '');
  const type = linkTarget !== undefined ? 'symlink' : name.endsWith('/') ? 'directory' : 'file';
  return { header: headerOf({ name, type, linkTarget: linkTarget ?? '', sizeBytes: body.length }), body };
}

/** A set that is restored to a folder: whatever it holds, nothing beside that folder may change. */
export const tree: FuzzTarget = {
  samples: () => [
    goldenBytes('full.difftar.gz'),
    tarOf([
      entry('snapshot/./'),
      entry('snapshot/a', `../${outside}`),
      entry('snapshot/a/file'),
      entry('snapshot/b/'),
      entry('snapshot/b/c', '..'),
      entry('snapshot/b/c/d/'),
      entry('snapshot/b/file'),
      entry('snapshot/file', `/${outside}`),
    ]),
    tarOf([entry('snapshot/', `../${outside}`), entry('snapshot/file'), entry('snapshot/x/file')]),
  ],
  words: [
    'snapshot/',
    'diff/',
    `../${outside}`,
    '..',
    './',
    '/',
    `${outside}/file`,
    '\0',
    'snapshot/a/',
    'snapshot/a',
  ],
  mutations: tarMutations,
  mend: withChecksums,
  async run(bytes, random) {
    rmSync(folder.path('root'), { recursive: true, force: true });
    mkdirSync(folder.path(`root/${outside}`), { recursive: true });
    writeFileSync(folder.path(`root/${outside}/file`), bytesOutside);
    const before = stateOutside();
    const target = folder.path('root/target');
    if (random.oneIn(2)) mkdirSync(target);
    const outcome = await restored(bytes, target, (data) => inPieces(data, random)).catch((error) => {
      if (!(error instanceof TundraError)) throw error;
      return error.code;
    });
    const after = stateOutside();
    if (before === after) return outcome;
    throw new Error(`something beside the target has changed: ${before}, now ${after}`);
  },
  close: () => folder.remove(),
};

/** Restores as a restore does, but for owners, FIFOs and devices. */
async function restored(
  bytes: Buffer,
  target: string,
  open: (bytes: Buffer) => AsyncIterable<Uint8Array>,
): Promise<string> {
  const volume = { number: 1, name: 'the volume', startKey: '', lowestKey: '' };
  const reader = new SetReader(0, [volume], '', {
    open: async () => ({ bytes: open(bytes), close: async () => {} }),
    onDamage: () => {},
  });
  let warnings = 0;
  const writer = new TreeWriter(target, {
    owners: undefined,
    numericOwner: false,
    onWarning: () => void warnings++,
    onSetIdLeftOut: () => {},
  });
  let made = 0;
  let failed = 0;
  let kinds = '';
  try {
    for await (const versions of new Merge([reader])) {
      const { key, header } = versions.at(-1)!.entry!;
      try {
        if (header.type === 'directory') writer.directory(key, header);
        else if (header.type === 'symlink') writer.special(key, header);
        else if (header.type === 'file') {
          const file = writer.file(key, header);
          try {
            await writeContents(
              versions,
              () => folder.path('scratch'),
              (piece) => file.write(piece),
            );
            file.commit();
          } catch (error) {
            file.abort();
            throw error;
          }
        }
        made++;
        if (made < 9) kinds += header.type[0];
      } catch (error) {
        // What the system does not take, such as too long a name, is a failure of that path.
        if (!(error instanceof TundraError) && !/^E(?!RR_)/.test(errnoOf(error) ?? '')) throw error;
        failed++;
      }
    }
    writer.finish();
  } finally {
    await reader.close();
  }
  return `${about(made)} ${about(failed)} ${about(warnings)} ${kinds}`;
}

/** All that stands beside the target, with what a restore could change of it. */
function stateOutside(): string {
  const names = readdirSync(folder.path('root')).filter(
    (name) => name !== 'target' && !name.startsWith('.tundra'),
  );
  const states = [outside, `${outside}/file`].map((name) => {
    const { mode, mtimeMs, ino, nlink, uid } = lstatSync(folder.path(`root/${name}`));
    return [name, mode, mtimeMs, ino, nlink, uid].join(' ');
  });
  const files = readdirSync(folder.path(`root/${outside}`));
  return [...names, ...states, ...files, readFileSync(folder.path(`root/${outside}/file`), 'latin1')].join(
    ', ',
  );
}
