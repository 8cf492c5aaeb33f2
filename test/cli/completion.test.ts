/** Completion scripts, driven in the shells they are for. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { describe, it } from 'node:test';
import { needs } from '../peers.js';
import { type Trial, tundraProgram, withTrial } from './trial.js';

/** A folder with the program in the path, a configuration with two targets, and some files. */
function prepare(trial: Trial): { cwd: string; env: NodeJS.ProcessEnv } {
  const [bin, cwd] = [trial.path('bin'), trial.path('work')];
  for (const folder of [bin, cwd, `${cwd}/data`]) mkdirSync(folder);
  symlinkSync(tundraProgram, `${bin}/tundra`);
  writeFileSync(`${cwd}/notes.txt`, '');
  const targets = { photos: { url: 'file:///p' }, papers: { url: 'file:///q' } };
  mkdirSync(`${trial.home}/tundra`);
  writeFileSync(`${trial.home}/tundra/config.json`, JSON.stringify({ targets }));
  writeFileSync(`${cwd}/other.json`, JSON.stringify({ targets: { third: { url: 'file:///r' } } }));
  const env = {
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    HOME: trial.home,
    XDG_CONFIG_HOME: trial.home,
    LC_ALL: 'C.UTF-8',
  };
  return { cwd, env };
}

/** Command lines up to the cursor, and what must be proposed: all of it, in any order. */
const cases: [line: string, proposals: string[]][] = [
  ['tundra fu', ['full']],
  ['tundra full --vols', ['--volsize']],
  ['tundra restore --vols', []],
  ['tundra restore --num', ['--num-retries', '--numeric-owner']],
  ['tundra --s3-', []],
  ['tundra --name full rest', ['restore']],
  ['tundra --metadata-sync-mode ', ['full', 'partial']],
  ['tundra -v inf', ['info']],
  ['tundra --name ', []],
  ['tundra completion ', ['bash', 'zsh', 'fish', 'targets']],
  ['tundra full no', ['notes.txt']],
  ['tundra full --config no', ['notes.txt']],
  ['tundra full @p', ['@photos', '@papers']],
  ['tundra --config other.json full @', ['@third']],
];

describe('completion', () => {
  it('proposes in bash', (t) =>
    withTrial('plain', async (trial) => {
      if (!needs(t, 'bash')) return;
      const script = `
eval "$(tundra completion bash)"
compopt() { :; }
while IFS= read -r COMP_LINE; do
  COMP_POINT=\${#COMP_LINE}
  _tundra
  printf '%s\\n' "\${COMPREPLY[*]}"
done`;
      const more: typeof cases = [
        ...cases,
        ['tundra --metadata-sync-mode=f', ['full']],
        ['tundra full --archive-dir ', ['data']],
      ];
      const input = more.map(([line]) => `${line}\n`).join('');
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
        ...prepare(trial),
        input,
        encoding: 'utf8',
      });
      assert.equal(stderr, '');
      const proposed = stdout.split('\n').map((line) => line.split(' ').filter(Boolean).sort());
      for (const [at, [line, proposals]] of more.entries()) {
        assert.deepEqual(proposed[at], proposals.toSorted(), line);
      }
    }));

  it('proposes in fish', (t) =>
    withTrial('plain', async (trial) => {
      if (!needs(t, 'fish')) return;
      const script = `
tundra completion fish | source
while read -P '' line
  string join ' ' -- (complete -C "$line" | string replace -r '\\t.*' '')
  echo
end`;
      const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', script], {
        ...prepare(trial),
        input: cases.map(([line]) => `${line}\n`).join(''),
        encoding: 'utf8',
      });
      assert.equal(stderr, '');
      const proposed = stdout.split('\n').map((line) => line.split(' ').filter(Boolean));
      assert.ok(proposed.length > cases.length, stdout);
      const all = proposed.flat();
      for (const word of [
        'full',
        '--volsize',
        '--numeric-owner',
        'partial',
        'info',
        'targets',
        '@photos',
        '@third',
      ]) {
        assert.ok(all.includes(word), `${word}: ${stdout}`);
      }
      assert.ok(!all.some((word) => word.startsWith('--s3-')), stdout);
    }));

  it('is a script that zsh reads, and that defines what it says', (t) =>
    withTrial('plain', async (trial) => {
      if (!needs(t, 'zsh')) return;
      const script = `
autoload -U compinit && compinit -D
eval "$(tundra completion zsh)"
print -r -- $_comps[tundra] \${+functions[_tundra]}`;
      const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', script], {
        ...prepare(trial),
        encoding: 'utf8',
      });
      assert.equal(stderr, '');
      assert.equal(stdout, '_tundra 1\n');
    }));

  it('of another shell is refused, and targets are none without a configuration', () =>
    withTrial('plain', async (trial) => {
      const { stderr } = await trial.run(['completion', 'bahs'], { status: 2 });
      assert.match(stderr, /no completion for "bahs".*did you mean bash\?/);
      assert.equal((await trial.run(['completion', 'targets'])).stdout, '');
    }));
});
