/** Backups copied from one storage to another: what comes out is a backup that both tools restore and go on with. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireArchiveLock } from '../../src/chain/lock.js';
import { type Sealing, sealingOf, type Tool, Workshop } from '../interop/programs.js';
import { needs } from '../peers.js';
import { randomBytes } from '../trees/contents.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { changeSmallTree, smallTree } from './small-tree.js';
import { contentsOf, namesIn, tundraProgram } from './trial.js';

const startSeconds = 1_700_000_000;
const at = (step: number) => ['--current-time', String(startSeconds + step * 1000)];

/** A source folder and two stores. */
class Copying {
  readonly workshop = new Workshop();
  readonly source = this.workshop.path('source');
  readonly from = this.workshop.path('from');
  readonly to = this.workshop.path('to');
  readonly states: TreeDescription[] = [];
  #targets = 0;

  /** The next state of the source, backed up: in full at first, in three volumes. */
  async backUp(tool: Tool, sealing: Sealing, store = this.from): Promise<void> {
    const step = this.states.length;
    if (step === 0) {
      smallTree(this.source);
      writeFileSync(join(this.source, 'large'), randomBytes('large', 2_500_000));
    } else if (step === 1) changeSmallTree(this.source);
    else appendFileSync(join(this.source, 'a'), `step ${step}`);
    this.states.push(describeTree(this.source));
    const mode = step === 0 ? 'full' : 'incremental';
    const args = [...at(step), '--volsize', '1', mode, this.source, `file://${store}`];
    await this.workshop.run(tool, sealing, args);
  }

  async replicate(sealing: Sealing, args: readonly string[] = [], status = 0): Promise<string> {
    const urls = [`file://${this.from}`, `file://${this.to}`];
    const { stdout, stderr } = await this.workshop.run(
      'tundra',
      sealing,
      ['replicate', ...args, ...urls],
      status,
    );
    assert.deepEqual(
      namesIn(this.workshop.folder).filter((name) => name.startsWith('tundra-')),
      [],
    );
    return stdout + stderr;
  }

  /** Restores a state from the target and compares it. */
  async checkState(tool: Tool, sealing: Sealing, step: number, store = this.to): Promise<void> {
    const target = this.workshop.path(`restored-${this.#targets++}`);
    const time = String(startSeconds + step * 1000);
    await this.workshop.run(tool, sealing, ['restore', '--time', time, `file://${store}`, target]);
    const differences = compareTrees(this.states[step] as TreeDescription, describeTree(target));
    assert.deepEqual(differences, [], `step ${step}, restored by ${tool}`);
  }
}

async function withCopying(act: (copying: Copying) => Promise<void>): Promise<void> {
  const copying = new Copying();
  try {
    await act(copying);
  } finally {
    copying.workshop.dispose();
  }
}

/** Inodes of the files in a folder: a file that was sent again has another one. */
function inodes(folder: string): Map<string, number> {
  return new Map(namesIn(folder).map((name) => [name, statSync(join(folder, name)).ino]));
}

const nameOf = (folder: string, pattern: RegExp): string => {
  const name = namesIn(folder).find((name) => pattern.test(name));
  assert.ok(name !== undefined, `${pattern} in ${namesIn(folder).join(' ')}`);
  return name;
};

/** The environment of both: the passphrase that opens the source stays the one that the target is made with. */
function targetSealing(name: string, from: Sealing, workshop: Workshop): Sealing {
  const to = sealingOf(name, workshop);
  return { ...to, environment: { ...from.environment, ...to.environment } };
}

const pairs: readonly [from: string, to: string, isSame: boolean][] = [
  ['plain', 'plain', true],
  ['gzip', 'gzip', true],
  ['passphrase', 'passphrase', true],
  ['passphrase', 'public key', false],
  ['gzip', 'passphrase', false],
  ['public key', 'gzip', false],
];

describe('replicate', () => {
  for (const [fromName, toName, isSame] of pairs) {
    it(`${fromName} to ${toName}: both tools restore, verify and go on`, (t) =>
      withCopying(async (copying) => {
        if (!needs(t, 'duplicity', 'gpg')) return;
        const { workshop, source, from, to } = copying;
        const sealing = sealingOf(fromName, workshop);
        await copying.backUp('tundra', sealing);
        await copying.backUp('duplicity', sealing);
        const before = contentsOf(from);
        const target = targetSealing(toName, sealing, workshop);
        await copying.replicate(target);
        assert.deepEqual(contentsOf(from), before);
        if (isSame) assert.deepEqual(contentsOf(to), before);
        else {
          assert.equal(contentsOf(to).size, before.size);
          await copying.checkState('tundra', target, 0);
          await copying.checkState('duplicity', target, 1);
          for (const tool of ['tundra', 'duplicity'] as const)
            await workshop.run(tool, target, ['verify', '--compare-data', `file://${to}`, source]);
          await copying.backUp('tundra', target, to);
        }
        await copying.backUp('duplicity', target, to);
        await copying.checkState('tundra', target, copying.states.length - 1);
      }));
  }

  it('goes on after it was killed, wherever that was', () =>
    withCopying(async (copying) => {
      const { workshop, from, to } = copying;
      await copying.backUp('tundra', sealingOf('gzip', workshop));
      const sealing = sealingOf('plain', workshop);
      for (const awaited of [/sigtar/, /vol1/, /vol2/]) {
        const urls = [`file://${from}`, `file://${to}`];
        const child = spawn(process.execPath, [tundraProgram, ...sealing.options, 'replicate', ...urls], {
          env: workshop.environment,
          stdio: 'ignore',
        });
        const ended = once(child, 'exit');
        while (child.exitCode === null && !namesIn(to).some((name) => awaited.test(name))) await sleep(2);
        child.kill('SIGKILL');
        await ended;
        const sent = namesIn(to).filter((name) => name.startsWith('duplicity'));
        assert.ok(sent.length === 5 || !sent.some((name) => name.endsWith('manifest')), sent.join(' '));
      }
      await copying.replicate(sealing);
      await copying.checkState('tundra', sealing, 0);
    }));

  it('keeps host, folder and list of files where it seals anew, and block numbers', () =>
    withCopying(async (copying) => {
      const sealing = sealingOf('gzip', copying.workshop);
      await copying.backUp('tundra', sealing);
      const target = sealingOf('plain', copying.workshop);
      await copying.replicate(target);
      const text = (folder: string) => readFileSync(join(folder, nameOf(folder, /manifest$/)), 'latin1');
      const withoutHashes = (folder: string) => text(folder).replace(/(?<=Hash SHA1 )[0-9a-f]{40}/g, 'HASH');
      assert.match(
        text(copying.from),
        /^Hostname .+\nLocaldir .+\n(?:.+\n)* +EndingPath +large 1[0-9]\n(?:.+\n)*Filelist 6\n/,
      );
      assert.equal(withoutHashes(copying.to), withoutHashes(copying.from));
      assert.notEqual(text(copying.to), text(copying.from));
    }));

  it('sends only what is missing', () =>
    withCopying(async (copying) => {
      const { from, to, workshop } = copying;
      const sealing = sealingOf('passphrase', workshop);
      await copying.backUp('tundra', sealing);
      assert.match(await copying.replicate(sealing, ['--dry-run']), /Would replicate the full .* 5 files/);
      assert.deepEqual(namesIn(to), []);
      await copying.replicate(sealing);
      const first = inodes(to);
      const told = await copying.replicate(sealing, ['-v5']);
      assert.match(told, /^Backupset duplicity-full\.\S+\.manifest\.gpg already replicated$/m);
      assert.doesNotMatch(told, /^Replicating/m);
      assert.deepEqual(inodes(to), first);

      await copying.backUp('tundra', sealing);
      const later = await copying.replicate(sealing);
      const sent = [...later.matchAll(/^Replicating (.*)\.$/gm)].map(([, name]) => name);
      assert.deepEqual(
        sent.toSorted(),
        namesIn(to).filter((name) => !first.has(name)),
      );
      assert.equal(sent.length, 3);
      assert.deepEqual(contentsOf(to), contentsOf(from));
      for (const [name, inode] of first) assert.equal(inodes(to).get(name), inode, name);
    }));

  it('stops at a damaged volume, with the sets before it whole, and goes on once it is mended', () =>
    withCopying(async (copying) => {
      const { from, to, workshop, source } = copying;
      const sealing = sealingOf('gzip', workshop);
      await copying.backUp('tundra', sealing);
      writeFileSync(join(source, 'another'), randomBytes('another', 2_500_000));
      await copying.backUp('tundra', sealing);
      const damaged = join(from, nameOf(from, /^duplicity-inc.*vol3/));
      const whole = readFileSync(damaged);
      const bad = Buffer.from(whole);
      bad.writeUInt8((bad[1000] as number) ^ 1, 1000);
      writeFileSync(damaged, bad);
      const told = await copying.replicate(sealing, [], 21);
      assert.match(told, /hash mismatch for file:\n duplicity-inc\S*vol3\.difftar\.gz/);
      assert.match(told, /^The incremental backup of .* is not replicated/m);
      const sent = namesIn(to);
      assert.ok(!sent.some((name) => /^duplicity-inc.*manifest/.test(name)), sent.join(' '));
      assert.ok(
        sent.some((name) => /^duplicity-inc.*vol2/.test(name)),
        sent.join(' '),
      );
      await copying.checkState('tundra', sealing, 0);

      // What was sent of it counts by its hash: same in size is not enough. What was sealed in another way goes.
      const first = nameOf(to, /^duplicity-inc.*vol1/);
      const inode = inodes(to).get(nameOf(to, /^duplicity-inc.*vol2/));
      writeFileSync(join(to, first), Buffer.alloc(statSync(join(to, first)).size));
      const stray = nameOf(to, /^duplicity-inc.*vol1/).replace(/gz$/, 'gpg');
      writeFileSync(join(to, stray), 'what a run with a passphrase has left');
      writeFileSync(damaged, whole);
      await copying.replicate(sealing);
      assert.deepEqual(contentsOf(to), contentsOf(from));
      assert.equal(inodes(to).get(nameOf(to, /^duplicity-inc.*vol2/)), inode);
      await copying.checkState('tundra', sealing, 1);
    }));

  const damages: readonly [string, number, RegExp, (from: string) => void][] = [
    [
      'a volume that is missing',
      52,
      /volume 1 of duplicity-inc\S*manifest is not on the storage/,
      (from) => rmSync(join(from, nameOf(from, /^duplicity-inc.*vol1/))),
    ],
    [
      'a manifest that is none',
      6,
      /duplicity-inc\S*manifest/,
      (from) => writeFileSync(join(from, nameOf(from, /^duplicity-inc.*manifest/)), 'Volume x:\n'),
    ],
    [
      'signatures that are cut short',
      1,
      /duplicity-new-signatures\S*sigtar\.gz/,
      (from) => {
        const path = join(from, nameOf(from, /^duplicity-new-signatures/));
        writeFileSync(path, readFileSync(path).subarray(0, -9));
      },
    ],
  ];
  for (const [what, status, message, damage] of damages) {
    it(`stops at ${what}`, () =>
      withCopying(async (copying) => {
        const sealing = sealingOf('gzip', copying.workshop);
        await copying.backUp('tundra', sealing);
        await copying.backUp('tundra', sealing);
        damage(copying.from);
        const told = await copying.replicate(sealing, [], status);
        assert.match(told, message);
        assert.match(told, /^The incremental backup of .* is not replicated, nor are later ones\.$/m);
        const sent = namesIn(copying.to);
        assert.ok(!sent.some((name) => name.startsWith('duplicity-inc')), sent.join(' '));
        await copying.checkState('tundra', sealing, 0);
      }));
  }

  it('leaves out sets that were not made before --time', () =>
    withCopying(async (copying) => {
      const sealing = sealingOf('plain', copying.workshop);
      for (let step = 0; step < 3; step++) await copying.backUp('tundra', sealing);
      // As the peer does it: a set of that very time is left out.
      await copying.replicate(sealing, ['--time', String(startSeconds + 2000)]);
      const manifests = () => namesIn(copying.to).filter((name) => name.endsWith('manifest'));
      assert.equal(manifests().length, 2);
      await copying.checkState('tundra', sealing, 1);
      await copying.replicate(sealing);
      assert.equal(manifests().length, 3);
    }));

  it('takes the locks of both local archives, and one where they share it', () =>
    withCopying(async (copying) => {
      const { workshop, to } = copying;
      const sealing = sealingOf('gzip', workshop);
      await copying.backUp('tundra', sealing);
      const archives = workshop.path('archives');
      mkdirSync(join(archives, 'busy'), { recursive: true });
      const lock = await acquireArchiveLock(join(archives, 'busy'), { env: workshop.environment });
      const options = ['--archive-dir', archives];
      try {
        // The source has an archive of its own, the target that of the name its folder is reached by.
        assert.match(await copying.replicate(sealing, [...options, '--name', 'busy'], 23), /another run/);
      } finally {
        await lock.release();
      }
      assert.deepEqual(namesIn(to), []);
      const target = { ...sealingOf('plain', workshop) };
      const told = await copying.replicate(target, [...options, '--name', 'busy']);
      assert.match(told, /^Both storages have the local archive /m);
      await copying.checkState('tundra', target, 0);
    }));

  it('restores to the same tree as what the peer replicates', (t: TestContext) =>
    withCopying(async (copying) => {
      if (!needs(t, 'duplicity', 'gpg')) return;
      const { workshop, from } = copying;
      const sealing = sealingOf('gzip', workshop);
      await copying.backUp('duplicity', sealing);
      await copying.backUp('duplicity', sealing);
      const target = sealingOf('passphrase', workshop);
      await copying.replicate(target);
      const peerStore = workshop.path('peer');
      await workshop.run('duplicity', target, ['replicate', `file://${from}`, `file://${peerStore}`]);
      assert.deepEqual(namesIn(copying.to), namesIn(peerStore));
      for (const store of [copying.to, peerStore]) await copying.checkState('tundra', target, 1, store);
      // The peer's copy is a source as well, and its sets are the same.
      cpSync(from, workshop.path('kept'), { recursive: true });
      rmSync(from, { recursive: true });
      cpSync(peerStore, from, { recursive: true });
      assert.match(
        await copying.replicate(target),
        /^Replicated 0 backup sets; 2 were on the target already/m,
      );
    }));
});
