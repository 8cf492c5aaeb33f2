/** Extended attributes, POSIX ACLs and hard links: kept, compared, restored, and read by others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type XattrCalls, xattrCalls } from '../../src/base/xattrs.js';
import { aclBytes } from '../../src/format/acl.js';
import { accessAcl, defaultAcl } from '../../src/format/tar/records.js';
import { Workshop } from '../interop/programs.js';
import { needs } from '../peers.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { describeRecords, type RecordDescription } from '../trees/describe-records.js';
import { Processors } from './processors.js';
import { isRoot, namesIn, type Trial, withTrial } from './trial.js';

const seconds = 1_600_000_000;
// 2023-11-14T22:13:20Z
const at = (step: number) => ['--current-time', String(1_700_000_000 + step * 1000)];
const nobody = 65_534;

const acl = (text: string): Buffer => {
  const bytes = aclBytes(text, undefined);
  return typeof bytes === 'string' ? assert.fail(bytes) : bytes;
};
const named = acl('user::rw-,user:4711:rwx,user:65534:r--,group::r--,group:1:--x,mask::rwx,other::---');
const inherited = acl('user::rwx,user:4711:rwx,group::r-x,mask::rwx,other::---');

/** The calls; undefined, and the test skipped, where temporary files have no attributes. */
function callsFor(t: TestContext, folder: string): XattrCalls | undefined {
  const calls = xattrCalls();
  try {
    if (calls === undefined) throw new Error('koffi is not installed');
    calls.set(folder, 'user.test', Buffer.from('x'));
    calls.set(folder, accessAcl, named);
    calls.remove(folder, accessAcl);
    calls.remove(folder, 'user.test');
    return calls;
  } catch (error) {
    if (process.env.TUNDRA_REQUIRE === 'all') throw error;
    t.skip(`temporary files have no extended attributes or ACLs: ${error}`);
    return undefined;
  }
}

/** Files with all of it. Those with a default ACL above them are made before it. */
function makeTree(root: string, calls: XattrCalls): void {
  const path = (name: string) => join(root, name);
  mkdirSync(path('d'), { recursive: true });
  writeFileSync(path('f'), 'hello');
  calls.set(path('f'), 'user.a', Buffer.from('x\0\n=\xff', 'latin1'));
  calls.set(path('f'), 'user.empty', Buffer.alloc(0));
  calls.set(path('f'), 'user.p%=\xc3\xa4', Buffer.alloc(2000, 'v'));
  calls.set(path('f'), accessAcl, named);
  writeFileSync(path('read only'), 'x');
  calls.set(path('read only'), 'user.r', Buffer.from('r'));
  chmodSync(path('read only'), 0o444);
  writeFileSync(path('large'), randomBytes('large', 200_000));
  calls.set(path('large'), 'user.l', Buffer.from('large'));
  writeFileSync(path('d/plain'), 'plain');
  linkSync(path('d/plain'), path('d/link'));
  linkSync(path('d/plain'), path('z'));
  writeFileSync(path('d/equal'), 'plain');
  symlinkSync('f', path('symlink'));
  linkSync(path('symlink'), path('symlink too'));
  calls.set(path('d'), 'user.dir', Buffer.from('d'));
  calls.set(path('d'), accessAcl, acl('user::rwx,user:4711:r-x,group::r-x,mask::r-x,other::---'));
  calls.set(path('d'), defaultAcl, inherited);
  if (isRoot) {
    calls.set(path('symlink'), 'trusted.t', Buffer.from('t'));
    calls.set(
      path('f'),
      'security.capability',
      Buffer.from('0100000200200000000000000000000000000000', 'hex'),
    );
  }
  touch(root);
}

/** Old times for all: what was changed just now is looked at again. */
function touch(root: string): void {
  for (const name of ['f', 'read only', 'large', 'd/plain', 'd/equal', 'd', '.']) {
    if (existsSync(join(root, name))) utimesSync(join(root, name), seconds, seconds);
  }
}

function attributesOf(description: RecordDescription, name: string): string[] {
  return Object.keys(description[name]?.attributes ?? {});
}

async function restoredRecords(trial: Trial, ...options: string[]): Promise<RecordDescription> {
  const target = trial.newTarget();
  await trial.run(['restore', ...options, trial.url, target]);
  return describeRecords(target);
}

/** Backs up what changed, and gives the numbers it told. */
async function counted(trial: Trial, step: number, ...options: string[]): Promise<Record<string, number>> {
  const { stdout } = await trial.incremental(...at(step), ...options);
  return Object.fromEntries(
    [...stdout.matchAll(/^(\w+) ([0-9]+)/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}

function withTree(act: (trial: Trial, calls: XattrCalls, t: TestContext) => Promise<void>) {
  return async (t: TestContext) => {
    if (!needs(t, 'python3')) return;
    await withTrial('plain', async (trial) => {
      const calls = callsFor(t, trial.source);
      if (calls === undefined) return;
      makeTree(trial.source, calls);
      await act(trial, calls, t);
    });
  };
}

describe('extended attributes, ACLs and hard links', () => {
  it(
    'are restored as they were at each time',
    withTree(async (trial, calls) => {
      const states: [RecordDescription, ReturnType<typeof describeTree>][] = [];
      const path = (name: string) => join(trial.source, name);
      const changes = [
        () => {},
        () => {
          calls.set(path('f'), 'user.a', Buffer.from('changed'));
          calls.remove(path('f'), accessAcl);
          calls.set(path('large'), accessAcl, named);
          calls.set(path('d'), 'user.more', Buffer.from('more'));
          linkSync(path('large'), path('large too'));
          chmodSync(path('f'), 0o640);
        },
        () => {
          for (const name of calls.names(path('f'))) calls.remove(path('f'), name);
          calls.remove(path('d'), defaultAcl);
          // Of three names one is left, and one becomes another file with the same contents.
          unlinkSync(path('d/plain'));
          unlinkSync(path('z'));
          writeFileSync(path('z'), 'plain');
          utimesSync(path('z'), seconds, seconds);
        },
      ];
      for (const [step, change] of changes.entries()) {
        change();
        touch(trial.source);
        states.push([describeRecords(trial.source), describeTree(trial.source)]);
        await trial.run([...at(step), ...(step === 0 ? ['full'] : ['incremental']), trial.source, trial.url]);
      }
      for (const [step, [records, tree]] of states.entries()) {
        const target = trial.newTarget();
        await trial.run(['restore', '--time', at(step)[1] as string, trial.url, target]);
        assert.deepEqual(describeRecords(target), records, `step ${step}`);
        assert.deepEqual(compareTrees(tree, describeTree(target)), [], `step ${step}`);
      }
      assert.deepEqual(states[1]?.[0]['large too']?.names, ['large', 'large too']);
      assert.deepEqual(states[2]?.[0].z, undefined);
      await trial.run(['verify', '--compare-data', trial.url, trial.source]);
    }),
  );

  it(
    'count as changed by themselves, and then no data is sent',
    withTree(async (trial, calls) => {
      const path = (name: string) => join(trial.source, name);
      await trial.full(...at(0));
      assert.equal((await counted(trial, 1)).DeltaEntries, 0);
      calls.set(path('large'), 'user.l', Buffer.from('other'));
      const changed = await counted(trial, 2);
      assert.deepEqual([changed.ChangedFiles, changed.DeltaEntries], [1, 1]);
      assert.ok((changed.RawDeltaSize as number) < 200, `${changed.RawDeltaSize} bytes of data`);
      // Without its index, the signatures alone tell.
      rmSync(join(trial.archive, 'trial', 'tundra-signatures.index'));
      assert.equal((await counted(trial, 3)).DeltaEntries, 0);
      // What is not looked at is no change.
      calls.set(path('large'), 'user.l', Buffer.from('third'));
      calls.remove(path('f'), accessAcl);
      chmodSync(path('f'), 0o670);
      linkSync(path('large'), path('large too'));
      touch(trial.source);
      const options = ['--no-xattrs', '--no-acls', '--no-hard-links'];
      const blind = await counted(trial, 4, ...options);
      assert.deepEqual([blind.NewFiles, blind.ChangedFiles], [1, 0]);
      const seeing = await counted(trial, 5);
      assert.equal(seeing.ChangedFiles, 3);
      assert.equal((await counted(trial, 6)).DeltaEntries, 0);
    }),
  );

  it(
    'are left out where options say so, in a backup or a restore',
    withTree(async (trial) => {
      const all = describeRecords(trial.source);
      const kinds = {
        '--no-xattrs': (records: RecordDescription) =>
          attributesOf(records, 'f').some((name) => !name.startsWith('system.')),
        '--no-acls': (records: RecordDescription) => attributesOf(records, 'd').includes(defaultAcl),
        '--no-hard-links': (records: RecordDescription) =>
          records.z !== undefined && records.z.names.length > 0,
      };
      await trial.full(...at(0));
      for (const [option, has] of Object.entries(kinds)) {
        assert.ok(has(all));
        const records = await restoredRecords(trial, option);
        assert.ok(!has(records), option);
        for (const [other, hasOther] of Object.entries(kinds)) {
          if (other !== option) assert.ok(hasOther(records), `${other} with ${option}`);
        }
      }
      for (const [step, [option, has]] of Object.entries(kinds).entries()) {
        await trial.full(...at(step + 1), option);
        const records = await restoredRecords(trial);
        assert.ok(!has(records), option);
        for (const [other, hasOther] of Object.entries(kinds)) {
          if (other !== option) assert.ok(hasOther(records), `${other} after ${option}`);
        }
      }
    }),
  );

  it(
    'are compared by verify, as far as the backup has them',
    withTree(async (trial, calls) => {
      await trial.full(...at(0));
      const path = (name: string) => join(trial.source, name);
      calls.set(path('f'), 'user.a', Buffer.from('other'));
      calls.set(path('d'), defaultAcl, named);
      calls.set(path('d/equal'), 'user.unknown', Buffer.from('new'));
      touch(trial.source);
      const verify = (...options: string[]) =>
        trial.run(['verify', '--compare-data', ...options, trial.url, trial.source], { status: 'any' });
      const { status, stdout } = await verify();
      assert.equal(status, 1);
      assert.deepEqual(stdout.match(/^Difference found: .*$/gm), [
        'Difference found: File d has other attributes than expected: default ACL',
        'Difference found: File f has other attributes than expected: user.a',
      ]);
      assert.equal((await verify('--no-xattrs', '--no-acls')).status, 0);
    }),
  );

  it(
    'replace what the target has or would give',
    withTree(async (trial, calls) => {
      await trial.full(...at(0));
      const state = describeRecords(trial.source);
      const target = trial.newTarget();
      mkdirSync(target);
      calls.set(target, defaultAcl, inherited);
      calls.set(target, accessAcl, inherited);
      await trial.run(['restore', trial.url, target]);
      assert.deepEqual(describeRecords(target), state);
      // Over the same names of the same files, and over one that has another link meanwhile.
      unlinkSync(join(target, 'f'));
      linkSync(join(target, 'z'), join(target, 'f'));
      calls.set(join(target, 'd'), accessAcl, inherited);
      await trial.run(['restore', '--force', trial.url, target]);
      assert.deepEqual(describeRecords(target), state);
      assert.deepEqual(namesIn(target), namesIn(trial.source));
      // Only a part: its folders above are not in the restore.
      const part = trial.newTarget();
      mkdirSync(part);
      calls.set(part, defaultAcl, inherited);
      await trial.run(['restore', '--force', '--path-to-restore', 'd/equal', trial.url, join(part, 'equal')]);
      assert.deepEqual(attributesOf(describeRecords(part), 'equal'), []);
    }),
  );

  it(
    'that the user may not set are told once for each kind',
    withTree(async (trial, _calls, t) => {
      if (!isRoot) return t.skip('needs root, to become somebody else');
      await trial.full(...at(0));
      for (const folder of [trial.archive, trial.store, trial.temp, trial.home]) {
        spawnSync('chown', ['-R', String(nobody), folder]);
      }
      const target = trial.path('shared/target');
      mkdirSync(trial.path('shared'), { mode: 0o777 });
      chmodSync(trial.path('shared'), 0o777);
      const { stdout } = await trial.run(['restore', '--no-restore-ownership', trial.url, target], {
        uid: nobody,
      });
      assert.deepEqual(stdout.match(/^Not restored.*$/gm)?.sort(), [
        'Not restored, once: capabilities (the owner was not restored). -v5 tells where.',
        'Not restored, twice: trusted.* attributes (only root may set them). -v5 tells where.',
      ]);
      const records = describeRecords(target);
      assert.ok(attributesOf(records, 'f').includes('user.a'));
      assert.ok(attributesOf(records, 'read only').includes('user.r'));
      assert.ok(attributesOf(records, 'f').includes(accessAcl));
      assert.deepEqual(records.z?.names, ['d/link', 'd/plain', 'z']);
    }),
  );

  it(
    'are linked across the shares of a restore',
    withTree(async (trial) => {
      const path = (name: string) => join(trial.source, name);
      for (const name of ['a', 'b', 'c', 'e', 'g']) {
        mkdirSync(path(`m/${name}`), { recursive: true });
        writeFileSync(path(`m/${name}/big`), randomBytes(name, 1_500_000));
        linkSync(path('d/plain'), path(`m/${name}/plain`));
        linkSync(path('m/a/big'), path(`m/${name}/linked`));
        // Other attributes make other files.
        linkSync(path('read only'), path(`m/${name}/read only`));
        utimesSync(path(`m/${name}`), seconds + 5, seconds + 5);
      }
      touch(trial.source);
      await trial.full(...at(0), '--volsize', '1');
      const state = describeRecords(trial.source);
      const tree = describeTree(trial.source);
      for (const threads of [1, 2, 4]) {
        const processors = new Processors(trial, threads);
        const target = trial.newTarget();
        await trial.run(['restore', trial.url, target], processors.options());
        assert.equal(processors.threads('restore-thread'), threads);
        assert.deepEqual(describeRecords(target), state);
        assert.deepEqual(compareTrees(tree, describeTree(target)), []);
      }
    }),
  );
});

describe('without koffi', () => {
  it(
    'attributes and ACLs are left out, which is told, and hard links are not',
    withTree(async (trial) => {
      const records = describeRecords(trial.source);
      await trial.full(...at(0));
      const preload = trial.path('home/without-koffi.cjs');
      writeFileSync(
        preload,
        `const module_ = require('node:module');
         const resolve = module_._resolveFilename;
         module_._resolveFilename = function (name, ...rest) {
           if (name === 'koffi') throw new Error('there is no koffi');
           return resolve.call(this, name, ...rest);
         };`,
      );
      const options = { env: { NODE_OPTIONS: `--require=${preload}` } };
      const target = trial.newTarget();
      const restored = await trial.run(['restore', trial.url, target], options);
      const told = restored.stdout.match(/^Not restored, .*$/gm) ?? [];
      assert.ok(
        told.some((line) => /: ACLs \(the package koffi is missing/.test(line)),
        restored.stdout,
      );
      assert.ok(told.every((line) => line.includes('koffi')) && told.length <= 5, told.join('\n'));
      assert.deepEqual(describeRecords(target).z?.names, records.z?.names);
      assert.deepEqual(attributesOf(describeRecords(target), 'f'), []);

      // What cannot be looked at is no change.
      const same = await trial.run([...at(1), '-v5', 'incremental', trial.source, trial.url], options);
      assert.match(same.stdout, /Extended attributes and ACLs are left out: the package koffi is missing/);
      assert.match(same.stdout, /^DeltaEntries 0$/m);
      await trial.run([...at(2), 'full', trial.source, trial.url], options);
      const after = await restoredRecords(trial);
      assert.deepEqual(attributesOf(after, 'f'), []);
      assert.deepEqual(after.z?.names, records.z?.names);
    }),
  );
});

describe('what others make of the records', () => {
  it(
    'GNU tar extracts them from a volume',
    withTree(async (trial, _calls, t) => {
      if (!needs(t, 'tar')) return;
      if (!isRoot) return t.skip('needs root: tar sets all or complains');
      await trial.full(...at(0));
      const target = trial.newTarget();
      mkdirSync(target);
      const volume = namesIn(trial.store).find((name) => name.endsWith('.difftar')) as string;
      const options = [
        '--xattrs',
        '--xattrs-include=*',
        '--acls',
        '--warning=no-unknown-keyword',
        '--numeric-owner',
      ];
      const tar = spawnSync('tar', [...options, '-C', target, '-xf', join(trial.store, volume)], {
        encoding: 'utf8',
      });
      assert.equal(tar.status, 0, tar.stderr);
      const expected = describeRecords(trial.source);
      const found = describeRecords(join(target, 'snapshot'));
      for (const name of ['f', 'd', 'read only', 'symlink']) {
        assert.deepEqual(found[name]?.attributes, expected[name]?.attributes, name);
      }
    }),
  );

  it(
    "Python's tarfile has them among its headers",
    withTree(async (trial) => {
      await trial.full(...at(0));
      const volume = namesIn(trial.store).find((name) => name.endsWith('.difftar')) as string;
      const script =
        'import json, sys, tarfile\n' +
        'print(json.dumps({info.name: sorted(info.pax_headers) for info in tarfile.open(sys.argv[1])}))';
      const run = spawnSync('python3', ['-c', script, join(trial.store, volume)], { encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      const headers = JSON.parse(run.stdout) as Record<string, string[]>;
      assert.ok(headers['snapshot/f']?.includes('SCHILY.acl.access'));
      assert.ok(headers['snapshot/f']?.includes('SCHILY.xattr.user.p%25%3Dä'));
      assert.deepEqual(headers['snapshot/z'], ['TUNDRA.hardlink']);
      assert.deepEqual(headers['snapshot/d/equal'], []);
      // In pieces, the first one has them.
      assert.deepEqual(headers['multivol_snapshot/large/1'], ['SCHILY.xattr.user.l']);
      assert.deepEqual(headers['multivol_snapshot/large/2'], []);
    }),
  );

  it('duplicity passes over them, and builds on such a backup, as tundra does on its', async (t) => {
    if (!needs(t, 'duplicity', 'python3')) return;
    const workshop = new Workshop();
    try {
      const source = workshop.path('source');
      mkdirSync(source);
      const calls = callsFor(t, source);
      if (calls === undefined) return;
      makeTree(source, calls);
      const url = `file://${workshop.path('store')}`;
      const sealing = { name: 'gzip', options: ['--no-encryption', '--volsize', '1'], environment: {} };
      const run = (tool: 'tundra' | 'duplicity', step: number, ...args: string[]) =>
        workshop.run(tool, sealing, [...at(step), '--archive-dir', workshop.path(tool), ...args]);
      const deltas = async (tool: 'tundra' | 'duplicity', step: number) =>
        /^DeltaEntries (\d+)/m.exec((await run(tool, step, 'incremental', source, url)).stdout)?.[1];

      await run('tundra', 0, 'full', source, url);
      assert.equal(await deltas('duplicity', 1), '0');
      calls.set(join(source, 'large'), 'user.l', Buffer.from('second'));
      assert.equal(await deltas('duplicity', 2), '0');
      assert.equal(await deltas('tundra', 3), '1');
      writeFileSync(join(source, 'f'), 'goodbye');
      touch(source);
      utimesSync(join(source, 'f'), seconds + 60, seconds + 60);
      const records = describeRecords(source);
      // The version of the peer has no records: the next of tundra's has them again.
      assert.equal(await deltas('duplicity', 4), '1');
      assert.equal(await deltas('tundra', 5), '1');
      const tree = describeTree(source);
      for (const tool of ['duplicity', 'tundra'] as const) {
        const target = workshop.path(`restored-${tool}`);
        await run(tool, 6, 'restore', url, target);
        assert.deepEqual(compareTrees(tree, describeTree(target)), [], tool);
        if (tool === 'tundra') assert.deepEqual(describeRecords(target), records);
        await run(tool, 6, 'verify', '--compare-data', url, source);
        const listed = await run(tool, 6, 'list-current-files', url);
        assert.match(listed.stdout, / d\/link$/m);
        const status = await run(tool, 6, 'collection-status', url);
        assert.match(status.stdout, /No orphaned or incomplete backup sets found/);
      }
    } finally {
      workshop.dispose();
    }
  });
});
