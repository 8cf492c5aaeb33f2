import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { changeSmallTree, smallTree } from '../cli/small-tree.js';
import type { Outcome, Tool } from '../interop/programs.js';
import { needs } from '../peers.js';
import { compareTrees, describeTree, type TreeDescription } from '../trees/describe.js';
import { TreeWriter } from '../trees/writer.js';
import { type Link, runDetached, type WrapperScene, withScene, wrapperPassphrase } from './wrapper-scene.js';

const tools: readonly Tool[] = ['tundra', 'duplicity'];

/** When the first backup is made; the further ones come a day apart. */
const firstBackup = 1_700_000_000;
const daySeconds = 86_400;
/** Between the first backup and the second, and between the third and the fourth. */
const [onFirstDay, onThirdDay] = ['2023-11-15T00:00:00+00:00', '2023-11-17T00:00:00+00:00'];

interface DuplyOptions {
  /** The current time of duplicity. */
  at?: number;
  /** What runs as `duplicity`: the tool of the home unless given. */
  program?: Tool;
  link?: Link;
}

function duply(
  scene: WrapperScene,
  home: Tool,
  args: string[],
  options: DuplyOptions = {},
): Promise<Outcome> {
  const { at, program = home, link } = options;
  const now = at === undefined ? {} : { NOW: String(at) };
  return runDetached('duply', ['trial', ...args], { ...scene.environment(home, program, link), ...now });
}

async function succeeds(...[scene, home, args, options]: Parameters<typeof duply>): Promise<Outcome> {
  const outcome = await duply(scene, home, args, options);
  assert.equal(outcome.status, 0, `duply ${args.join(' ')}\n${outcome.stdout}\n${outcome.stderr}`);
  return outcome;
}

/** Lets duply make a profile and edits it as its user would. */
async function makeProfile(scene: WrapperScene, home: Tool, settings: string): Promise<void> {
  const { stdout } = await succeeds(scene, home, ['create']);
  assert.match(stdout, /You just created the profile 'trial'/);
  const profile = scene.path(home, 'home', '.duply', 'trial');
  appendFileSync(
    `${profile}/conf`,
    `TARGET='file://${scene.path(home, 'store')}'
SOURCE='${scene.source}'
TEMP_DIR='${scene.path(home, 'temp')}'
MAX_AGE=${onFirstDay}
MAX_FULL_BACKUPS=1
MAX_FULLS_WITH_INCRS=1
DUPL_PARAMS="\${NOW:+--current-time $NOW} --volsize 1 --full-if-older-than 2023-01-01"
${settings}
`,
  );
  writeFileSync(`${profile}/exclude`, '# objects stay out\n- **.o\n- **/dropped\n');
  writeFileSync(`${profile}/pre`, 'echo before $CMD_NEXT of $SOURCE\n');
}

/** Tells duply not to try gpg before each run: that is most of what a run costs. */
function withoutTrial(scene: WrapperScene, home: Tool): void {
  appendFileSync(scene.path(home, 'home/.duply/trial/conf'), "GPG_TEST='disabled'\n");
}

function fillSource(scene: WrapperScene): void {
  smallTree(scene.source);
  const tree = new TreeWriter(scene.source, firstBackup - daySeconds);
  tree.file('sub/it\'s "quoted" $HOME', Buffer.from('quoted'));
  tree.file('sub/object.o', Buffer.from('left out'));
  tree.directory('sub/cache');
  tree.directory('private');
  tree.file('sub/cache/kept', Buffer.from('kept'));
  tree.file('sub/cache/dropped', Buffer.from('dropped'));
  tree.file('private/.nobackup', Buffer.alloc(0));
  tree.file('private/letter', Buffer.from('left out'));
  tree.finish();
}

const leftOut = /^sub\/object\.o$|^sub\/cache\/dropped$|^private(?:$|\/)/;

/** What a backup of the source keeps. */
function keptOf(scene: WrapperScene): TreeDescription {
  return new Map([...describeTree(scene.source)].filter(([path]) => !leftOut.test(path)));
}

/** The lines that a run printed, without what no two runs have in common: each once, in no order. */
function essence(scene: WrapperScene, home: Tool, text: string): string[] {
  const lines = text
    .replaceAll(scene.path(home), 'HOME')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?/g, 'TIME')
    .replace(/Runtime [\d:.]+/g, 'Runtime')
    .replace(/duply\.\d+\.\d+/g, 'duply')
    // Which Python it is depends on the first line of `duplicity`; that there is one does not.
    .replace(/, python [^(]*\([^)]*\) 'PYTHONPATH=[^']*'/, ', python')
    .replace(/^(StartTime|EndTime|ElapsedTime|RawDeltaSize|TotalDestinationSizeChange) .*$/gm, '$1')
    .split('\n');
  return [...new Set(lines)].filter((line) => line !== '' && !ownWords.test(line)).sort();
}

/** What the tools put differently. */
const ownWords =
  /^(?:Local and Remote metadata are|Copying |Synchronizing |Warning, found incomplete|There are incomplete backup sets|Choose another target|Reuse configured |The path is relative)/;

/** Runs the same with both tools, compares how they end, what they print and what they leave on the storage. */
async function both(scene: WrapperScene, args: string[], options: DuplyOptions & { status?: number } = {}) {
  const [tundra, duplicity] = (await Promise.all(
    tools.map((tool) =>
      duply(
        scene,
        tool,
        args.map((arg) => arg.replaceAll('HOME', scene.path(tool))),
        options,
      ),
    ),
  )) as [Outcome, Outcome];
  const all = `duply ${args.join(' ')}\n${tundra.stdout}\n${tundra.stderr}\n---\n${duplicity.stdout}\n${duplicity.stderr}`;
  assert.deepEqual([duplicity.status, tundra.status], [options.status ?? 0, options.status ?? 0], all);
  for (const output of ['stdout', 'stderr'] as const) {
    assert.deepEqual(
      essence(scene, 'tundra', tundra[output]),
      essence(scene, 'duplicity', duplicity[output]),
      `${output} of ${all}`,
    );
  }
  assert.deepEqual(scene.stored('tundra'), scene.stored('duplicity'), all);
  return tundra;
}

/** What lies at a path of a home, for each tool; and that it is the same for both. */
function restoredByBoth(scene: WrapperScene, name: string): TreeDescription {
  const [tundra, duplicity] = tools.map((tool) => describeTree(scene.path(tool, name))) as [
    TreeDescription,
    TreeDescription,
  ];
  assert.deepEqual(compareTrees(duplicity, tundra), []);
  return tundra;
}

describe('duply, unmodified, with tundra in the place of duplicity', () => {
  it('does with a passphrase all that it does with duplicity, in the same words', async (t) => {
    if (!needs(t, 'duplicity', 'duply', 'gpg')) return;
    await withScene(async (scene) => {
      fillSource(scene);
      const settings = `GPG_KEY=''\nGPG_PW=${JSON.stringify(wrapperPassphrase)}\nFILENAME='.nobackup'`;
      for (const tool of tools) await makeProfile(scene, tool, settings);
      const mark = ['--exclude-if-present', '.nobackup'];
      const first = keptOf(scene);
      const full = await both(scene, ['backup', ...mark], { at: firstBackup });
      assert.match(full.stdout, /Running '.*pre' - OK\nOutput: before bkp of/);
      assert.match(full.stdout, /Test - Decryption with passphrase \(OK\)/);
      for (const tool of tools) withoutTrial(scene, tool);

      changeSmallTree(scene.source);
      const second = keptOf(scene);
      await both(scene, ['incr', ...mark], { at: firstBackup + daySeconds });
      await both(scene, ['status_list']);
      await both(scene, ['list', onFirstDay]);
      await both(scene, ['verify+status', '--compare-data', ...mark]);
      await both(scene, ['restore', 'HOME/now']);
      assert.deepEqual(compareTrees(second, restoredByBoth(scene, 'now')), []);
      await both(scene, ['restore', 'HOME/first', onFirstDay]);
      assert.deepEqual(compareTrees(first, restoredByBoth(scene, 'first')), []);
      await both(scene, ['restore', 'HOME/first'], { status: 1 });
      await both(scene, ['fetch', 'sub/b', 'HOME/b', onFirstDay]);
      await both(scene, ['fetch', 'sub', 'HOME/sub']);
      restoredByBoth(scene, 'b');
      assert.equal(restoredByBoth(scene, 'sub').get('new'), second.get('sub/new'));
      await both(scene, ['fetch', 'nowhere', 'HOME/nowhere'], { status: 1 });

      await both(scene, ['full', ...mark], { at: firstBackup + 2 * daySeconds });
      writeFileSync(`${scene.source}/a`, 'other');
      await both(scene, ['verify-status', '--compare-data', ...mark], { status: 1 });
      await both(scene, ['verifyPath', 'a', `${scene.source}/a`, '--compare-data'], { status: 1 });
      await both(scene, ['bkp', ...mark], { at: firstBackup + 3 * daySeconds });
      await both(scene, ['purge', onThirdDay]);
      await both(scene, ['purgeIncr']);
      await both(scene, ['purgeIncr', '--force']);
      await both(scene, ['purgeFull']);
      await both(scene, ['purgeAuto', '--force']);
      for (const tool of tools) {
        writeFileSync(scene.path(tool, 'store', 'duplicity-full.20231201T000000Z.vol1.difftar.gpg'), '');
      }
      await both(scene, ['cleanup']);
      await both(scene, ['cleanup', '--force']);
      assert.deepEqual(scene.stored('tundra'), [
        'duplicity-full-signatures.20231116T221320Z.sigtar.gpg',
        'duplicity-full.20231116T221320Z.manifest.gpg',
        'duplicity-full.20231116T221320Z.vol1.difftar.gpg',
        'duplicity-inc.20231116T221320Z.to.20231117T221320Z.manifest.gpg',
        'duplicity-inc.20231116T221320Z.to.20231117T221320Z.vol1.difftar.gpg',
        'duplicity-new-signatures.20231116T221320Z.to.20231117T221320Z.sigtar.gpg',
      ]);
      await both(scene, ['status', '--preview']);
      for (const tool of tools) {
        const { status, stderr } = await duply(scene, tool, ['full', '--volsize', 'much']);
        assert.equal(status, 1);
        assert.match(stderr, /Task 'FULL' failed with exit code '2'/);
      }
    });
  });

  it('does so with keys: encrypting and signing, with a passphrase and through the agent', async (t) => {
    if (!needs(t, 'duplicity', 'duply', 'gpg')) return;
    for (const passphrase of [wrapperPassphrase, '']) {
      await withScene(async (scene) => {
        fillSource(scene);
        const key = scene.makeKey('wrapped', passphrase);
        const secret = `GPG_PW=${JSON.stringify(passphrase)}\nGPG_OPTS='--pinentry-mode loopback'`;
        const agent = 'unset GPG_PW';
        for (const tool of tools) {
          await makeProfile(scene, tool, `GPG_KEY='${key}'\n${passphrase === '' ? agent : secret}`);
        }
        const full = await both(scene, ['backup'], { at: firstBackup });
        assert.match(full.stdout, /Autoset found secret key of first GPG_KEY entry '.*' for signing/);
        assert.equal(/Enable gpg-agent usage/.test(full.stdout), passphrase === '');
        // duply has tried the keys.
        for (const tool of tools) withoutTrial(scene, tool);
        changeSmallTree(scene.source);
        await both(scene, ['bkp_status_list'], { at: firstBackup + daySeconds });
        // Without the local archive what is on the storage must be decrypted.
        for (const tool of tools) rmSync(scene.path(tool, 'home', '.cache'), { recursive: true });
        await both(scene, ['verify', '--compare-data']);
        await both(scene, ['restore', 'HOME/now']);
        restoredByBoth(scene, 'now');
        if (passphrase === '') return;
        await both(scene, ['fetch', 'sub/c', 'HOME/c', onFirstDay]);
        restoredByBoth(scene, 'c');
        await both(scene, ['full_purge_cleanup', '--force'], { at: firstBackup + 2 * daySeconds });
      });
    }
  });

  it('goes on with what the other tool has made, and back', async (t) => {
    if (!needs(t, 'duplicity', 'duply', 'gpg')) return;
    await withScene(async (scene) => {
      fillSource(scene);
      const key = scene.makeKey('crossed', wrapperPassphrase);
      const password = `GPG_PW=${JSON.stringify(wrapperPassphrase)}`;
      const settings = `GPG_KEY='${key}'\n${password}\nGPG_OPTS='--pinentry-mode loopback'\nGPG_TEST='disabled'`;
      await makeProfile(scene, 'tundra', settings);
      const states: TreeDescription[] = [];
      for (const [day, program] of (['duplicity', 'tundra', 'duplicity'] as const).entries()) {
        writeFileSync(`${scene.source}/day`, `${day} `.repeat(1000));
        // In a second of its own, as changes are told apart by the second.
        utimesSync(`${scene.source}/day`, firstBackup - 10 + day, firstBackup - 10 + day);
        if (day === 2) changeSmallTree(scene.source);
        states.push(keptOf(scene));
        const { stdout } = await succeeds(scene, 'tundra', ['bkp'], {
          at: firstBackup + day * daySeconds,
          program,
        });
        assert.match(stdout, day === 0 ? /forcing full backup/ : /\nChangedFiles [1-9]/);
      }
      for (const program of tools) {
        for (const [day, state] of states.entries()) {
          const target = scene.path(`${program}-${day}`);
          const time = new Date((firstBackup + day * daySeconds + 1) * 1000)
            .toISOString()
            .replace('.000Z', '+00:00');
          await succeeds(scene, 'tundra', ['restore', target, time], { program });
          const restored = describeTree(target);
          for (const path of [...restored.keys()]) if (leftOut.test(path)) restored.delete(path);
          assert.deepEqual(compareTrees(state, restored), [], `${program}, day ${day}`);
        }
        await succeeds(scene, 'tundra', ['verify', '--compare-data'], { program });
      }
    });
  });

  it('reads passwords out of addresses with the Python it finds, and takes one by its PYTHON setting', async (t) => {
    if (!needs(t, 'duplicity', 'duply', 'python3')) return;
    await withScene(async (scene) => {
      fillSource(scene);
      for (const tool of tools) await makeProfile(scene, tool, "GPG_KEY='disabled'\nPYTHON=/usr/bin/python3");
      const version = await both(scene, ['version']);
      assert.match(version.stdout, /Using installed duplicity version 0\.8\.22, python 3/);
      await both(scene, ['backup'], { at: firstBackup });
      for (const tool of tools) {
        const conf = scene.path(tool, 'home/.duply/trial/conf');
        appendFileSync(conf, "unset PYTHON\nTARGET='sftp://some%40one:pass%2Fword@example.org/backup'\n");
      }
      const { stdout } = await both(scene, ['status', '--preview']);
      assert.match(stdout, /FTP_PASSWORD='?pass\/word/);
      assert.match(stdout, /sftp:\/\/some%40one@example\.org/);
    });
  });

  it('backs up and restores through a link to tundra itself', async (t) => {
    if (!needs(t, 'duply')) return;
    await withScene(async (scene) => {
      fillSource(scene);
      await makeProfile(scene, 'tundra', "GPG_KEY='disabled'");
      const { stdout } = await succeeds(scene, 'tundra', ['backup_verify', '--compare-data'], {
        link: 'tundra',
      });
      assert.match(stdout, /Using installed duplicity version 0\.8\.22/);
      await succeeds(scene, 'tundra', ['fetch', 'a', scene.path('a')], { link: 'tundra' });
      assert.ok(existsSync(scene.path('tundra/home/.cache/duplicity/duply_trial')));
      assert.equal(readFileSync(scene.path('a'), 'utf8'), readFileSync(`${scene.source}/a`, 'utf8'));
    });
  });
});
