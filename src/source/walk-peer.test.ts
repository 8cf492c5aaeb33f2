import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Latin1, slashPath } from '../base/path-key.js';
import type { SourceEntry } from './entry.js';
import { type PeerEntry, type PeerOption, peerWalks, type WalkQuestion } from './peer.fixture.js';
import { selectedByPeer, selectedPaths } from './selected.fixture.js';
import { createSelection } from './selection.js';
import { oddTree, setLinkMtime, setMtime, testTree } from './tree.fixture.js';
import { walk } from './walk.js';
import { walkWarnings } from './walk-warnings.js';

describe('walk and selection, beside the peer', () => {
  it('select the same files', (t) => {
    const root = testTree(t, oddTree);
    const total = selectedPaths({ root, options: [] }).paths!.length;
    const questions = fc
      .sample(ruleSets(root), { seed: 20_260_102, numRuns: 350 })
      .map((options) => ({ root, options }));
    const answers = peerWalks(t, questions);
    if (answers === undefined) return;
    const seen = { errors: 0, some: 0 };
    for (const [index, question] of questions.entries()) {
      const expected = selectedByPeer(answers[index]!);
      assert.deepEqual(selectedPaths(question), expected, JSON.stringify(question.options));
      if (expected.error !== undefined) seen.errors += 1;
      else if (expected.paths!.length > 1 && expected.paths!.length < total) seen.some += 1;
    }
    assert.ok(seen.errors > 20 && seen.some > 90, JSON.stringify(seen));
  });

  it('select the same of the root, of one file, of a link and of relative folders', (t) => {
    const root = testTree(t, { 'a/b': 'file', c: { link: 'a' } });
    const before = process.cwd();
    process.chdir(root);
    t.after(() => process.chdir(before));
    const questions: WalkQuestion[] = [
      { root: `${root}/a/b`, options: [] },
      { root: `${root}/c`, options: [] },
      { root: `${root}/c`, options: [], followLinks: true },
      { root: '.', options: [] },
      { root: '.', options: [{ name: 'exclude', value: './a/b' }] },
      { root: '.', options: [{ name: 'exclude', value: 'a/b' }] },
      { root: 'a', options: [{ name: 'exclude', value: 'a/b' }] },
      { root: 'a', options: [{ name: 'exclude', value: '/a/b' }] },
      { root: `${root}/a/b`, options: [{ name: 'exclude', value: `${root}/a/b/` }] },
      { root: `${root}/a`, options: [{ name: 'exclude', value: `${root}/a/` }] },
    ];
    const answers = peerWalks(t, questions);
    if (answers === undefined) return;
    for (const [index, question] of questions.entries()) {
      assert.deepEqual(selectedPaths(question), selectedByPeer(answers[index]!), JSON.stringify(question));
    }
  });

  it('read the same attributes', async (t) => {
    const root = testTree(t, { ...oddTree, old: 'file', older: 'directory', new: 'file', half: 'file' });
    setMtime(`${root}/old`, -86_400.5);
    setMtime(`${root}/older`, -1_000_000_000);
    setMtime(`${root}/half`, -0.5);
    setMtime(`${root}/new`, 4_000_000_000.999);
    setLinkMtime(`${root}/link`, 12.75);
    // More nines than a double can hold, which only the shell can set.
    spawnSync('touch', ['-d', '@1700000000.999999999', `${root}/ab`]);
    chmodSync(`${root}/a`, 0o7751);
    spawnSync('chown', ['4000000:3999999', `${root}/a-b`]);
    spawnSync('chown', ['1:2', `${root}/q?`]);
    spawnSync('mknod', [`${root}/device`, 'c', '4095', '1048575']);
    spawnSync('mknod', [`${root}/disk`, 'b', '8', '1']);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${root}/sock`, resolve));
    t.after(() => server.close());
    for (const followLinks of [false, true]) {
      const answer = peerWalks(t, [{ root, options: [], followLinks }])?.[0];
      if (answer === undefined) return;
      assert.ok('entries' in answer);
      const codes: number[] = [];
      const selection = createSelection([], { path: root, isDirectory: true });
      const entries = walk(root, selection, {
        followLinks,
        // Of what vanished the peer says nothing.
        onWarning: (kind) => kind !== 'vanished' && codes.push(walkWarnings[kind].code),
      });
      assert.deepEqual([...entries].map(asPeer), answer.entries);
      // Of negative mtimes the peer warns (1) when it writes them.
      assert.deepEqual(
        codes,
        answer.codes.filter((code) => code !== 1),
      );
    }
  });
});

const peerTypes = {
  file: 'reg',
  directory: 'dir',
  symlink: 'sym',
  fifo: 'fifo',
  'char-device': 'chr',
  'block-device': 'blk',
} as const;

function asPeer({ key, attributes }: SourceEntry): PeerEntry {
  const { type, mode, uid, gid, uname, gname, mtimeSeconds, linkTarget, deviceMajor, deviceMinor } =
    attributes;
  return {
    path: key === '' ? '' : slashPath(key),
    type: peerTypes[type],
    mode,
    uid,
    gid,
    uname,
    gname,
    mtime: mtimeSeconds,
    link: linkTarget,
    devices: [deviceMajor, deviceMinor],
  };
}

/** One to five rules whose globs are paths of the tree, some characters and components made wild. */
function ruleSets(root: Latin1): fc.Arbitrary<PeerOption[]> {
  const path = fc.constantFrom(...Object.keys(oddTree));
  const change = fc.constantFrom<(path: string) => string>(
    (text) => text,
    (text) => text,
    (text) => `${text}/`,
    (text) => text.replace(/.$/s, '?'),
    (text) => text.replace(/[^/]+$/, '*'),
    (text) => text.replace(/^[^/]+/, '*'),
    (text) => text.replace(/^[^/]+/, '**'),
    (text) => text.replace(/[^/]+$/, '**'),
    (text) => `${text}*`,
    (text) => text.replace(/^./s, '[!b-z]'),
    (text) => text.replace(/[a-c]/, '[a-c]'),
    (text) => text.replace('x', '[xX]'),
    (text) => text.toUpperCase(),
  );
  const glob = fc
    .tuple(path, change, change, fc.integer({ min: 0, max: 29 }))
    .map(([text, first, second, kind]) => {
      const changed = second(first(text));
      if (kind === 0) return text;
      if (kind === 1) return '**';
      if (kind < 5) return `ignorecase:${root}/${changed}`;
      if (kind < 10) return `**${changed}`;
      if (kind < 13) return `**/${changed}`;
      if (kind === 13) return `/*/*/${changed}`;
      if (kind === 14) return `${root}/${changed.replace('a', '[b-a]').replace('/', '//')}`;
      return `${root}/${changed}`;
    });
  const rule = fc.record({ name: fc.constantFrom('include', 'exclude'), value: glob });
  const last = fc.oneof(
    { weight: 3, arbitrary: fc.constant<PeerOption>({ name: 'exclude', value: '**' }) },
    { weight: 6, arbitrary: glob.map((text): PeerOption => ({ name: 'exclude', value: text })) },
    { weight: 1, arbitrary: rule },
  );
  return fc.tuple(fc.array(rule, { maxLength: 4 }), last).map(([rules, end]) => [...rules, end]);
}
