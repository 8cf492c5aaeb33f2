import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { hasProgram, needs } from '../../../test/peers.js';
import { LocalArchive } from '../../chain/archive.js';
import { allSets, type Catalog, readCatalog } from '../../chain/catalog.js';
import { type ListedFile, listedFiles } from '../../chain/metadata.js';
import { PeerCollection, type PeerRun, runPeerPython } from '../../chain/peer.fixture.js';
import { planSynchronisation } from '../../chain/synchronise.js';
import { formatRemoteName, noPrefixes, type RemoteName, type SetTimes } from '../../format/names.js';
import {
  changesInSetText,
  collectionStatusLogLines,
  collectionStatusText,
  type FileChangeRecord,
  fileChangedText,
} from './collection-status.js';

process.env.TZ = 'Europe/Berlin';

/** The peer shows this name for every storage. */

describe('the status of real archives, against the peer', () => {
  let folder: string;
  let base: PeerCollection;
  let copies = 0;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tundra-status-'));
    if (!hasProgram('duplicity')) return;
    base = new PeerCollection(join(folder, 'base'), ['--no-encryption', '--volsize', '1']);
    base.write('noise', randomBytes(1_500_000));
    base.write('a b', 'one');
    base.backUp('full', 1700000000);
    base.write('a b', 'two');
    base.write("x'é", 'new');
    base.backUp('inc', 1700001000);
    base.write('a b', 'three');
    base.backUp('inc', 1700002000);
    rmSync(join(base.source, 'a b'));
    base.backUp('inc', 1700003000);
    base.backUp('full', 1710000000);
    base.write('noise', 'less');
    base.backUp('inc', 1710001000);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const changed = (change: (collection: PeerCollection) => void = () => {}) => {
    const copy = base.copyTo(join(folder, `copy${copies++}`));
    change(copy);
    return copy;
  };
  const catalogOf = (collection: PeerCollection) =>
    readCatalog(collection.names(), collection.archiveNames(), noPrefixes);
  const compare = (collection: PeerCollection): Catalog => {
    const run = collection.run('collection-status', collection.url);
    assert.equal(run.status, 0, run.stderr);
    const catalog = catalogOf(collection);
    const places = { archiveFolder: collection.archive };
    assert.equal(`${collectionStatusText(catalog, places)}\n`, from(run.stdout, 'Collection Status'));
    assert.deepEqual(collectionStatusLogLines(catalog), statusRecord(run));
    assert.deepEqual(catalog.warnings.map(({ code }) => code).sort(), warningCodes(run).sort());
    return catalog;
  };

  it('of several whole chains', (t) => {
    if (!needs(t, 'duplicity')) return;
    const catalog = compare(changed());
    assert.equal(catalog.chains.length, 2);
    assert.ok(catalog.chains[0]!.full.volumes.size > 1);
  });

  it('of one chain, and of none', (t) => {
    if (!needs(t, 'duplicity')) return;
    compare(changed((collection) => collection.lose(/2024/)));
    compare(changed((collection) => collection.lose(/./, 'target')));
  });

  it('with a set that lost its base, and one that lost its manifest', (t) => {
    if (!needs(t, 'duplicity')) return;
    const orphaned = compare(changed((collection) => collection.lose(/to\.20231114T223000Z/)));
    assert.equal(orphaned.orphanedSets.length, 2);
    const incomplete = compare(changed((collection) => collection.lose(/inc.*20240309.*manifest/)));
    assert.equal(incomplete.incompleteSets.length, 1);
  });

  it('without the signatures of the last set', (t) => {
    if (!needs(t, 'duplicity')) return;
    const dropped = compare(changed((collection) => collection.lose(/2024|new-sig.*to\.20231114T230320Z/)));
    assert.equal(dropped.primary?.chain.incrementals.length, 2);
    const unmatched = compare(changed((collection) => collection.lose(/new-sig.*2024/)));
    assert.equal(unmatched.primary, undefined);
    compare(changed((collection) => collection.lose(/sigtar/)));
  });

  it('without a local archive', (t) => {
    if (!needs(t, 'duplicity')) return;
    const catalog = compare(changed((collection) => collection.lose(/./, 'archive')));
    assert.equal(catalog.primary?.signatures.location, 'remote');
  });

  it('after a run that was cut off', (t) => {
    if (!needs(t, 'duplicity')) return;
    const cut = changed((collection) => {
      collection.write('noise', 'more');
      collection.backUp('inc', 1710002000, '--fail', '1');
    });
    const partial = compare(cut);
    assert.equal(partial.primary?.chain.incrementals.at(-1)?.partial, true);
    cut.lose(/\.part$/, 'archive');
    assert.equal(compare(cut).incompleteSets.length, 1);
  });

  it('with two sets that build on the same one', (t) => {
    if (!needs(t, 'duplicity')) return;
    const copy = changed((collection) => collection.lose(/2024/));
    const earlier = copy.copyTo(join(folder, 'earlier'));
    const last = /to\.20231114T230320Z/;
    copy.lose(last);
    copy.backUp('inc', 1700004000);
    for (const name of readdirSync(earlier.target).filter(
      (name) => last.test(name) && !/sigtar/.test(name),
    )) {
      writeFileSync(join(copy.target, name), '');
    }
    const catalog = compare(copy);
    assert.equal(catalog.replacedSets.length, 1);
  });

  it('of an encrypted archive', (t) => {
    if (!needs(t, 'duplicity', 'gpg')) return;
    const collection = new PeerCollection(join(folder, 'encrypted'), []);
    collection.write('file', 'text');
    collection.backUp('full', 1700000000);
    assert.equal(compare(collection).chains[0]?.full.encrypted, true);
  });

  it('with the changes in a set', async (t) => {
    if (!needs(t, 'duplicity')) return;
    const collection = changed((collection) => collection.lose(/2024/));
    const { primary } = catalogOf(collection);
    const latestFirst = allSets(primary!.chain).reverse();
    for (const [index, set] of latestFirst.entries()) {
      const run = collection.run('collection-status', `--show-changes-in-set=${index}`, collection.url);
      const archive = await LocalArchive.open(collection.archive);
      const lines: string[] = [];
      for await (const line of changesInSetText(set, () =>
        listedFiles(archive.read(set.localManifestName!)),
      )) {
        lines.push(line);
      }
      assert.equal(`${lines.join('\n')}\n`, from(run.stdout, '-------------------------'));
    }
  });

  it('with the changes of a file', async (t) => {
    if (!needs(t, 'duplicity')) return;
    const collection = changed((collection) => collection.lose(/2024/));
    const archive = await LocalArchive.open(collection.archive);
    const records: FileChangeRecord[] = [];
    for (const set of allSets(catalogOf(collection).primary!.chain)) {
      const isIt = ({ key }: ListedFile) => key === 'a b';
      for await (const file of listedFiles(archive.read(set.localManifestName!))) {
        if (isIt(file)) records.push({ set, change: file.change });
      }
    }
    const run = collection.run('collection-status', '--file-changed', 'a b', collection.url);
    // The peer shows the kind of change as Python writes bytes: b'New'.
    const shown = from(run.stdout, '-------------------------').replace(
      / {3}b'(\w+)'/g,
      (_, word) => `      ${word}`,
    );
    assert.equal(`${fileChangedText('a b', records)}\n`, shown);
    assert.equal(records.length, 4);
  });
});

/** Output from a line on. */
function from(output: string, line: string): string {
  return output.slice(output.indexOf(`${line}\n`));
}

/** The lines of the machine log's status record. */
function statusRecord(run: PeerRun): string[] {
  const record = from(run.log, 'INFO 3 ').split('\n').slice(1);
  return record.slice(
    0,
    record.findIndex((line) => line.startsWith('. ')),
  );
}

function warningCodes(run: PeerRun): number[] {
  return [...run.log.matchAll(/^WARNING (\d+)$/gm)].map(([, code]) => Number(code));
}

describe('random listings, against the peer', () => {
  it('come to the same chains, warnings and synchronisation', (t) => {
    if (!needs(t, 'duplicity')) return;
    const cases = fc.sample(listings, { numRuns: 600, seed: 20 });
    const answers = runPeerPython(peerStatus, cases.map((one) => JSON.stringify(one)).join('\n'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as PeerAnswer);
    const places = { archiveFolder: '/archive' };
    for (const [index, { remote, local, mode, time }] of cases.entries()) {
      const catalog = readCatalog(remote, local, noPrefixes);
      const { missing, spurious } = planSynchronisation(remote, local, noPrefixes, catalog, { mode, time });
      const ours: PeerAnswer = {
        text: collectionStatusText(catalog, places),
        log: collectionStatusLogLines(catalog),
        warnings: catalog.warnings.map(({ code }) => code),
        missing,
        spurious,
      };
      assert.deepEqual(ours, answers[index], JSON.stringify({ remote, local }, undefined, 1));
    }
    const seen = new Set(answers.flatMap(({ warnings }) => warnings));
    assert.deepEqual([...seen].sort(), [1, 2, 4, 5, 6]);
  });
});

interface PeerAnswer {
  text: string;
  log: string[];
  warnings: number[];
  missing: string[];
  spurious: string[];
}

/** What becomes of each file of a set. */
interface SetFate {
  kind: 'next' | 'full';
  gapSeconds: number;
  volumes: number;
  hasManifest: boolean;
  hasSignatures: boolean;
  localManifest: boolean;
  localSignatures: boolean;
}

const often = fc.integer({ min: 0, max: 9 }).map((n) => n > 0);
const fate: fc.Arbitrary<SetFate> = fc.record({
  kind: fc.constantFrom('next', 'next', 'full'),
  gapSeconds: fc.integer({ min: 1, max: 5000 }),
  volumes: fc.integer({ min: 1, max: 4 }),
  hasManifest: often,
  hasSignatures: often,
  localManifest: often,
  localSignatures: often,
});

/** How the last run ended: a partial manifest is in the archive, and perhaps signatures. */
const ending = fc.option(fc.record({ signatures: often, uploadedSignatures: fc.boolean() }), {
  nil: undefined,
});

/** Listings of a storage and its archive after runs that lost some files. */
const listings = fc
  .record({
    fates: fc.array(fate, { maxLength: 8 }),
    ending,
    encrypted: fc.boolean(),
    mode: fc.constantFrom('full' as const, 'partial' as const),
    time: fc.integer({ min: 1599999000, max: 1600020000 }),
  })
  .map(({ fates, ending, encrypted, mode, time }) => {
    const remote: string[] = [];
    const local: string[] = ['lockfile'];
    let now = 1600000000;
    const on = { partial: false, encrypted, compressed: !encrypted };
    const plain = { partial: false, encrypted: false, compressed: false };
    const part = { ...plain, partial: true };
    const add = (list: string[], name: RemoteName) => list.push(formatRemoteName(name, noPrefixes));
    for (const [index, one] of fates.entries()) {
      const end = now + one.gapSeconds;
      const set: SetTimes =
        one.kind === 'full' || index === 0
          ? { type: 'full', time: end }
          : { type: 'incremental', start: now, end };
      now = end;
      for (let volume = 1; volume <= one.volumes; volume++)
        add(remote, { kind: 'volume', set, volume, ...on });
      if (ending !== undefined && index === fates.length - 1) {
        add(local, { kind: 'manifest', set, ...part });
        if (ending.signatures) add(local, { kind: 'signatures', set, ...part });
        if (ending.uploadedSignatures) add(remote, { kind: 'signatures', set, ...on });
        continue;
      }
      if (one.hasManifest) add(remote, { kind: 'manifest', set, ...plain, encrypted });
      if (one.hasSignatures) add(remote, { kind: 'signatures', set, ...on });
      if (one.localManifest) add(local, { kind: 'manifest', set, ...plain });
      if (one.localSignatures) add(local, { kind: 'signatures', set, ...plain, compressed: true });
    }
    return { remote, local, mode, time };
  });

/** Asks duplicity's own modules about listings, one JSON text a line. */
const peerStatus = `
import json, sys
from duplicity import log, config, dup_collections, dup_time, dup_main

told = []
log.setup()
log.Log = lambda s, level, code=1, *rest, **named: told.append((level, code, s))

class File:
    name = 'file'
    def get_data(self): return b''

class Folder:
    uc_name = '/archive'
    def __init__(self, names): self.names = names
    def listdir(self): return self.names
    def append(self, name): return File()
    def __str__(self): return '(. dir)'

class BackendWrapper:
    def __init__(self, names): self.names = names
    def list(self): return self.names

def told_list(head):
    return [s.split('\\n')[1:] for level, code, s in told if s.startswith(head)] or [[]]

dup_time.setcurtime(2000000000)
config.dry_run = True
for line in sys.stdin:
    case = json.loads(line)
    told.clear()
    config.archive_dir_path = Folder([name.encode() for name in case['local']])
    config.backend = BackendWrapper([name.encode() for name in case['remote']])
    config.metadata_sync_mode = case['mode']
    config.restore_time = case['time']
    status = dup_collections.CollectionsStatus(config.backend, config.archive_dir_path, 'sync').set_values()
    warnings = [code for level, code, s in told if level == log.WARNING]
    dup_main.sync_archive(status)
    print(json.dumps({
        'text': str(status),
        'log': status.to_log_info(),
        'warnings': warnings,
        'missing': told_list('Sync would copy')[0],
        'spurious': told_list('Sync would remove')[0],
    }))
`;
