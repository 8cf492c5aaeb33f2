import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { askPeer } from '../../test/golden/peer.js';
import { needs } from '../../test/peers.js';
import {
  formatRemoteName,
  type NamePrefixes,
  noPrefixes,
  parseRemoteName,
  type RemoteName,
  setEnd,
} from './names.js';

const prefixSets: NamePrefixes[] = [
  noPrefixes,
  { all: 'home-', manifest: 'm_', signature: 's_', archive: 'a_' },
  { all: '', manifest: 'hot/', signature: 'hot/', archive: '' },
];

const time = fc.integer({ min: 1, max: 4102444799 });
const set = fc.oneof(
  time.map((time) => ({ type: 'full' as const, time })),
  fc.tuple(time, time).map(([start, end]) => ({ type: 'incremental' as const, start, end })),
);
const keeping = fc
  .record({ partial: fc.boolean(), encrypted: fc.boolean(), compressed: fc.boolean() })
  .map((keeping) => ({ ...keeping, compressed: keeping.compressed && !keeping.encrypted }));
const remoteName: fc.Arbitrary<RemoteName> = fc
  .tuple(
    fc.constantFrom('volume' as const, 'manifest' as const, 'signatures' as const),
    set,
    keeping,
    fc.integer({ min: 1, max: 1e9 }),
  )
  .map(([kind, set, keeping, volume]) =>
    kind === 'volume' ? { kind, set, ...keeping, volume } : { kind, set, ...keeping },
  );

test('a name is read back, whatever the prefixes', () => {
  fc.assert(
    fc.property(remoteName, fc.constantFrom(...prefixSets), (name, prefixes) => {
      assert.deepEqual(parseRemoteName(formatRemoteName(name, prefixes), prefixes), name);
    }),
  );
});

test('names are written as the format says', () => {
  const full = { type: 'full', time: 1019820121 } as const;
  const incremental = { type: 'incremental', start: 1019820121, end: 1019820122 } as const;
  const kept = { partial: false, encrypted: true, compressed: false };
  const gzipped = { partial: false, encrypted: false, compressed: true };
  const names: [RemoteName, string][] = [
    [{ kind: 'volume', set: full, volume: 12, ...kept }, 'duplicity-full.20020426T112201Z.vol12.difftar.gpg'],
    [{ kind: 'manifest', set: full, ...kept }, 'duplicity-full.20020426T112201Z.manifest.gpg'],
    [{ kind: 'signatures', set: full, ...gzipped }, 'duplicity-full-signatures.20020426T112201Z.sigtar.gz'],
    [
      { kind: 'volume', set: incremental, volume: 1, ...gzipped },
      'duplicity-inc.20020426T112201Z.to.20020426T112202Z.vol1.difftar.gz',
    ],
    [
      { kind: 'manifest', set: incremental, ...gzipped, partial: true, compressed: false },
      'duplicity-inc.20020426T112201Z.to.20020426T112202Z.manifest.part',
    ],
    [
      { kind: 'signatures', set: incremental, ...kept },
      'duplicity-new-signatures.20020426T112201Z.to.20020426T112202Z.sigtar.gpg',
    ],
  ];
  for (const [name, text] of names) assert.equal(formatRemoteName(name, noPrefixes), text);
  assert.equal(
    formatRemoteName(names[0]![0], prefixSets[1]!),
    'home-a_duplicity-full.20020426T112201Z.vol12.difftar.gpg',
  );
  assert.equal(setEnd(full), 1019820121);
  assert.equal(setEnd(incremental), 1019820122);
});

test('short names of older versions are read', () => {
  const kept = { partial: false, encrypted: true, compressed: false };
  assert.deepEqual(parseRemoteName('df.gv6a2p.1z.dt.g', noPrefixes), {
    kind: 'volume',
    set: { type: 'full', time: Number.parseInt('gv6a2p', 36) },
    volume: 71,
    ...kept,
  });
  assert.deepEqual(parseRemoteName('dns.gv6a2p.gv6a2q.st.p.g', noPrefixes), {
    kind: 'signatures',
    set: { type: 'incremental', start: Number.parseInt('gv6a2p', 36), end: Number.parseInt('gv6a2q', 36) },
    ...kept,
    partial: true,
  });
});

test('other files are not ours', () => {
  const others = [
    '',
    'duplicity-full.manifest',
    'duplicity-full.20020426T112201Z.manifests',
    'duplicity-full.20020426T112201Z.vol0.difftar',
    'duplicity-full.20020426T112201Z.volx.difftar',
    'duplicity-inc.20020426T112201Z.vol1.difftar',
    'duplicity-full.now.manifest',
    'duplicity-full.1D.manifest',
    'Xduplicity-full.20020426T112201Z.manifest',
    `duplicity-inc.${'.to.'.repeat(20000)}.vol1.difftar`,
    `df.${'z'.repeat(40)}.m`,
  ];
  for (const name of others) assert.equal(parseRemoteName(name, noPrefixes), undefined, name.slice(0, 60));
});

const timeText = fc.constantFrom(
  '20020426T112201Z',
  '20261122t212038z',
  '2002-04-26T04:22:01-07:00',
  '2002-04-26T11:22:01Z',
  '2002-04-26T11:22:01',
  '2002-04-26',
  '1019820121',
  'gv6a2p',
  '0',
  '20021326T112201Z',
  'x',
  '',
);
const word = (...texts: string[]) => fc.constantFrom(...texts);
const prefixText = word('', '', '', 'home-', 'home-m_', 'home-a_', 'home-s_', 'hot/', 'x');
const stemText = word(
  'duplicity-full',
  'duplicity-inc',
  'duplicity-full-signatures',
  'duplicity-new-signatures',
  'df',
  'di',
  'dfs',
  'dns',
  'duplicity',
);
const moreTime = fc.oneof(
  fc.constant(''),
  timeText.map((text) => `.to.${text}`),
  timeText.map((text) => `.${text}`),
);
const endText = word(
  '.vol1.difftar',
  '.vol007.difftar',
  '.manifest',
  '.sigtar',
  '.2k.dt',
  '.m',
  '.st',
  '.vol.difftar',
  '',
);
const partText = word('', '', '', '.part', '.p', '.partial');
const suffixText = word('', '.gpg', '.gz', '.g', '.z', '.xz', 'gz', '.gpg.gz', '.', '.1');
const anyName = fc.tuple(prefixText, stemText, timeText, moreTime, endText, partText, suffixText);
const fullName = fc.tuple(
  prefixText,
  word('duplicity-full', 'df'),
  timeText.map((text) => `.${text}`),
  endText,
  partText,
  suffixText,
);
const incrementalName = fc.tuple(
  prefixText,
  word('duplicity-inc', 'di'),
  timeText.map((text) => `.${text}`),
  moreTime,
  endText,
  partText,
  suffixText,
);
const signaturesName = fc.tuple(
  prefixText,
  word('duplicity-full-signatures', 'duplicity-new-signatures', 'dfs', 'dns'),
  timeText.map((text) => `.${text}`),
  moreTime,
  word('.sigtar', '.st'),
  partText,
  suffixText,
);
const nameText = fc.oneof(anyName, fullName, incrementalName, signaturesName).map((parts) => parts.join(''));

test('a name that is taken can be written, and then means the same', () => {
  fc.assert(
    fc.property(nameText, fc.constantFrom(...prefixSets), (text, prefixes) => {
      const name = parseRemoteName(text, prefixes);
      if (name === undefined) return;
      const written = { ...name, compressed: name.compressed && !name.encrypted };
      assert.deepEqual(parseRemoteName(formatRemoteName(name, prefixes), prefixes), written);
    }),
    { numRuns: 1000 },
  );
});

interface PeerName {
  type: 'full' | 'inc' | 'full-sig' | 'new-sig';
  times: number[];
  volume: number | null;
  manifest: boolean;
  partial: boolean;
  encrypted: boolean;
  compressed: boolean;
}

/** Our reading in the peer's terms; the peer does not tell whether a volume is partial. */
function inPeersTerms(name: RemoteName | undefined): PeerName | null {
  if (name === undefined) return null;
  const { set, kind } = name;
  const full = set.type === 'full';
  return {
    type: kind === 'signatures' ? (full ? 'full-sig' : 'new-sig') : full ? 'full' : 'inc',
    times: full ? [set.time] : [set.start, set.end],
    volume: kind === 'volume' ? name.volume : null,
    manifest: kind === 'manifest',
    partial: kind !== 'volume' && name.partial,
    encrypted: name.encrypted,
    compressed: name.compressed,
  };
}

test('the names duplicity takes are taken, and mean the same', (t) => {
  if (!needs(t, 'python3', 'duplicity')) return;
  const texts = fc.sample(nameText, { numRuns: 8000, seed: 7 });
  const answers = askPeer<(PeerName | null | false)[][]>(
    `
from duplicity import config, dup_time, file_naming
dup_time.setcurtime(1700000000)
def read(text):
    name = file_naming.parse(text.encode())
    times = name and [t for t in (name.time, name.start_time, name.end_time) if t]
    # Past the year 9999 there is no name to write.
    return name and max(times) < 253402300800 and {
        'type': name.type, 'times': times,
        'volume': name.volume_number, 'manifest': bool(name.manifest), 'partial': bool(name.partial),
        'encrypted': bool(name.encrypted), 'compressed': bool(name.compressed)}
answer = []
for prefixes in given[0]:
    config.file_prefix = prefixes['all'].encode()
    config.file_prefix_manifest = prefixes['manifest'].encode()
    config.file_prefix_signature = prefixes['signature'].encode()
    config.file_prefix_archive = prefixes['archive'].encode()
    file_naming.prepare_regex(force=True)
    answer.append([read(text) for text in given[1]])
`,
    [prefixSets, texts],
    { TZ: process.env.TZ ?? 'UTC' },
  );
  prefixSets.forEach((prefixes, i) => {
    const peer = answers[i]!;
    assert.ok(peer.filter((name) => name).length > 10);
    texts.forEach((text, j) => {
      assert.deepEqual(inPeersTerms(parseRemoteName(text, prefixes)), peer[j] || null, text);
    });
  });
});
