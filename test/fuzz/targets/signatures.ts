import { readFileSync } from 'node:fs';
import { crc32, gzipSync } from 'node:zlib';
import { IndexedSignatures } from '../../../src/chain/indexed-signatures.js';
import { digestOfSignatures, endIndex } from '../../../src/chain/signature-index.js';
import { SignatureIndexWriter } from '../../../src/chain/signature-index-writer.js';
import type { KnownSignatures, SignatureEntry } from '../../../src/chain/signature-store.js';
import { SignatureStore } from '../../../src/chain/signature-store.js';
import { goldenBytes } from '../../golden/golden.js';
import { TrialFolder } from '../folder.js';
import type { Random } from '../random.js';
import { tarMutations, withChecksums } from '../tar-mutations.js';
import { about, drain, type FuzzTarget } from '../target.js';

const folder = new TrialFolder();

/** Reads a chain's signatures; the data of some of the entries. */
async function readAll(known: KnownSignatures, random: Random): Promise<string> {
  let entries = 0;
  let dataBytes = 0;
  let last: string | undefined;
  try {
    for (;;) {
      const entry: SignatureEntry | undefined = await known.next();
      if (entry === undefined) break;
      if (last !== undefined && entry.key <= last) throw new Error('the entries are not in path order');
      last = entry.key;
      entries++;
      if (random.oneIn(2)) dataBytes += await drain(known.data());
    }
  } finally {
    await known.close();
  }
  return `${about(entries)} ${about(dataBytes)}`;
}

/** A chain of two signature files, of which one is mutated; its packing is mutated too now and then. */
export const sigtar: FuzzTarget = {
  samples: () => ['full.sigtar.gz', 'inc.sigtar.gz'].map(goldenBytes),
  words: ['signature/', 'snapshot/', 'deleted/', '../', './', '//', '\0'],
  mutations: tarMutations,
  mend: withChecksums,
  async run(bytes, random) {
    const other = folder.stored('full.sigtar', goldenBytes('full.sigtar.gz'));
    const isPacked = random.oneIn(2);
    const mutated = folder.stored(
      isPacked ? 'new.sigtar.gz' : 'new.sigtar',
      isPacked ? packed(bytes, random) : bytes,
    );
    return readAll(new SignatureStore(random.oneIn(2) ? [other, mutated] : [mutated]), random);
  },
  close: () => folder.remove(),
};

function packed(bytes: Buffer, random: Random): Buffer {
  const whole = gzipSync(bytes, { level: 1 });
  if (random.oneIn(4)) return whole.subarray(0, random.below(whole.length));
  if (random.oneIn(4)) whole[random.below(whole.length)]! ^= 1 << random.below(8);
  return random.oneIn(4) ? Buffer.concat([whole, bytes.subarray(0, random.below(3000))]) : whole;
}

/** The blocks of an index of signature files; its trailer is made to fit them, or not. */
export const signatureIndex: FuzzTarget = {
  async samples() {
    const full = folder.stored('full.sigtar', goldenBytes('full.sigtar.gz'));
    const inc = folder.stored('inc.sigtar', goldenBytes('inc.sigtar.gz'));
    const whole = await indexOf([full]);
    return [whole, await indexOf([full, inc]), Buffer.concat([whole, whole])];
  },
  async run(bytes, random) {
    const files = [
      folder.stored('full.sigtar', goldenBytes('full.sigtar.gz')),
      folder.stored('inc.sigtar', goldenBytes('inc.sigtar.gz')),
    ];
    const index = folder.stored('index', bytes);
    const body = { sizeBytes: bytes.length, crc: crc32(bytes) };
    if (!random.oneIn(20)) endIndex(index, body, digestOfSignatures(files));
    const known = IndexedSignatures.open(index, files);
    return known === undefined ? 'none' : readAll(known, random);
  },
  close: () => folder.remove(),
};

/** The blocks of an index. */
async function indexOf(files: string[]): Promise<Buffer> {
  const made = folder.path(`index.${files.length}`);
  const writer = new SignatureIndexWriter(made);
  const store = new SignatureStore(files);
  for (let entry = await store.next(); entry !== undefined; entry = await store.next()) {
    const { kind } = entry;
    if (kind !== 'deleted') writer.add({ ...entry, kind });
  }
  await store.close();
  writer.finish();
  return readFileSync(made);
}
