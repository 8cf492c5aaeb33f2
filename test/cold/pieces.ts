import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type ColdTrial, secondsOf } from './cold-trial.js';

/** What the sets hold of a path: by the step of the set, its kind and the volumes its pieces lie in. */
export type PathPieces = Map<number, { kind: string; names: Set<string> }>;

/** Opens all plain volumes with tar and tells where the pieces of each path lie. Needs names that tar shows as they are. */
export function piecesOf(trial: ColdTrial): Map<string, PathPieces> {
  const found = new Map<string, PathPieces>();
  for (const name of trial.coldNames()) {
    const step = stepOf(name);
    for (const { kind, path } of entriesIn(`${trial.cold}/${name}`)) {
      const ofPath = found.get(path) ?? new Map();
      found.set(path, ofPath);
      const ofSet = ofPath.get(step) ?? { kind, names: new Set() };
      ofPath.set(step, ofSet);
      assert.equal(ofSet.kind, kind);
      ofSet.names.add(name);
    }
  }
  return found;
}

/** The sets that make up a path at a step, newest first: differences down to what stands by itself; none if it is gone. */
export function setsOf(pieces: PathPieces, step: number): number[] {
  const newestFirst = [...pieces.keys()].filter((set) => set <= step).sort((a, b) => b - a);
  const whole = newestFirst.findIndex((set) => pieces.get(set)!.kind !== 'diff');
  assert.ok(newestFirst.length === 0 || whole !== -1, 'a difference to nothing');
  const needed = newestFirst.slice(0, whole + 1);
  return needed.length > 0 && pieces.get(needed.at(-1)!)!.kind === 'deleted' ? [] : needed;
}

/** The volumes that hold pieces of what lies at or below a path at a step, sorted. */
export function volumesOf(pieces: Map<string, PathPieces>, wanted: string, step: number): string[] {
  const names = new Set<string>();
  for (const [path, ofPath] of pieces) {
    if (wanted !== '' && path !== wanted && !path.startsWith(`${wanted}/`)) continue;
    for (const set of setsOf(ofPath, step)) for (const name of ofPath.get(set)!.names) names.add(name);
  }
  return [...names].sort();
}

function entriesIn(path: string): { kind: string; path: string }[] {
  const { status, stdout, stderr } = spawnSync('tar', ['-tf', path], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [kind = '', ...parts] = line.replace(/\/$/, '').split('/');
      const isPiece = kind.startsWith('multivol_');
      return { kind: kind.replace('multivol_', ''), path: (isPiece ? parts.slice(0, -1) : parts).join('/') };
    });
}

/** Which of the steps' backups a volume belongs to, by the time in its name. */
function stepOf(name: string): number {
  const [, date, hours, minutes, seconds] = /(\d{8})T(\d\d)(\d\d)(\d\d)Z\.vol/.exec(name)!;
  const day = date!.replace(/(....)(..)(..)/, '$1-$2-$3');
  return (Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`) / 1000 - secondsOf(0)) / 1000;
}
