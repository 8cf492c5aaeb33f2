import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { LocalArchive } from '../chain/archive.js';
import { temporaryFolder } from '../chain/stores.fixture.js';
import type { Session } from './session.js';
import { type BegunRestore, noteBegun, noteFinished, timeOfUnfinished } from './unfinished-restore.js';

const begun: BegunRestore = { target: '/to/\xff', path: 'a\0b', time: undefined };
const day = 86_400;

async function sceneOf(t: TestContext) {
  const folder = temporaryFolder(t);
  const clock = { now: 1_700_000_000 };
  const session = { archive: await LocalArchive.open(folder), now: () => clock.now } as unknown as Session;
  const found = (wanted: BegunRestore = begun, anyAge = true) =>
    timeOfUnfinished(session, wanted, { anyAge });
  return { folder, clock, session, found };
}

describe('the note of an unfinished restore', () => {
  it('tells the time that is restored, to the very same restore', async (t) => {
    const { session, found } = await sceneOf(t);
    assert.equal(await found(), undefined);
    await noteBegun(session, begun, 1234);
    assert.equal(await found(), 1234);
    assert.equal(await found({ ...begun, target: '/to' }), undefined);
    assert.equal(await found({ ...begun, path: '' }), undefined);
    assert.equal(await found({ ...begun, time: '2D' }), undefined);
    await noteBegun(session, { ...begun, time: '2D' }, 5678);
    assert.equal(await found({ ...begun, time: '2D' }), 5678);
    assert.equal(await found(), undefined);
  });

  it('is gone when the restore has ended', async (t) => {
    const { folder, session, found } = await sceneOf(t);
    await noteBegun(session, begun, 1234);
    await noteFinished(session);
    assert.equal(await found(), undefined);
    assert.deepEqual(readdirSync(folder), []);
    await noteFinished(session);
  });

  it('counts for a week, or for as long as it is asked to', async (t) => {
    const { clock, session, found } = await sceneOf(t);
    await noteBegun(session, begun, 1234);
    clock.now += 7 * day;
    assert.equal(await found(begun, false), 1234);
    clock.now += 1;
    assert.equal(await found(begun, false), undefined);
    assert.equal(await found(begun, true), 1234);
    await noteBegun(session, begun, 1234);
    assert.equal(await found(begun, false), 1234, 'gone on with just now');
  });

  it('tells of nothing where it is damaged', async (t) => {
    const { folder, session, found } = await sceneOf(t);
    await noteBegun(session, begun, 1234);
    const path = join(folder, readdirSync(folder)[0]!);
    const whole = JSON.stringify({ ...begun, at: 1234, begunAt: 1_700_000_000 });
    writeFileSync(path, whole);
    assert.equal(await found(begun, false), 1234);
    const damaged = ['', 'null', '7', '[]', whole.slice(0, -1), `${whole}${' '.repeat(2 << 20)}`];
    damaged.push(JSON.stringify({ ...begun, at: '1234' }), JSON.stringify({ ...begun, at: 1e300 }));
    for (const text of damaged) {
      writeFileSync(path, text);
      assert.equal(await found(), undefined, text.slice(0, 100));
    }
    writeFileSync(path, JSON.stringify({ ...begun, at: 1234 }));
    assert.equal(await found(begun, false), undefined, 'nobody knows how old it is');
  });
});
