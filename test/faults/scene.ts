import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn, type Trial, withTrial } from '../cli/trial.js';

/** Where a backup made to harm is restored. */
export interface Scene {
  trial: Trial;
  /** A folder beside the target with a file that must stay as it is. */
  outside: string;
  target: string;
}

/** Has `act` work in a scene, and makes sure that nothing outside the target was touched. */
export async function withScene(act: (scene: Scene) => Promise<void>): Promise<void> {
  await withTrial('plain', async (trial) => {
    const outside = trial.path('outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'kept'), 'kept');
    chmodSync(join(outside, 'kept'), 0o644);
    await act({ trial, outside, target: trial.newTarget() });
    assert.deepEqual(namesIn(outside), ['kept']);
    assert.equal(readFileSync(join(outside, 'kept'), 'utf8'), 'kept');
    assert.equal(lstatSync(join(outside, 'kept')).mode & 0o7777, 0o644);
    const known = ['archive', 'home', 'outside', 'source', 'store', 'target-0', 'temp'];
    assert.deepEqual(
      namesIn(trial.folder).filter((name) => !known.includes(name)),
      [],
    );
  });
}
