import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Attributes } from '../base/attributes.js';
import {
  type Change,
  Comparison,
  type CurrentEntry,
  type KnownEntry,
  sameAttributes,
  samePermissions,
  sameTime,
} from './compare.js';
import { attributes, orderedPaths, owners } from './entries.fixture.js';

/** The known side, which answers at once or later by turns. */
function knownOf(entries: readonly KnownEntry[]) {
  let next = 0;
  return {
    next: () => {
      const entry = entries[next++];
      return next % 2 === 0 ? entry : Promise.resolve(entry);
    },
  };
}

const directory = attributes({ type: 'directory', mode: 0o755 });

function current(key: string, values: Attributes = attributes()): CurrentEntry {
  return { key, attributes: values };
}

function known(key: string, kind: KnownEntry['kind'] = 'signature', values = attributes()): KnownEntry {
  return { key, kind, attributes: values };
}

async function joined(
  now: readonly CurrentEntry[],
  before: ReturnType<typeof knownOf>,
): Promise<Change<CurrentEntry, KnownEntry>[]> {
  const comparison = new Comparison(now, before, owners);
  const found: Change<CurrentEntry, KnownEntry>[] = [];
  for (let change = await comparison.next(); change !== undefined; change = await comparison.next()) {
    found.push(change);
  }
  return found;
}

/** The changes as short text. */
async function changes(now: CurrentEntry[], before: KnownEntry[]): Promise<string[]> {
  const found = await joined(now, knownOf(before));
  return found.map(
    (change) => `${change.kind} ${change.kind === 'deleted' ? change.known.key : change.current.key}`,
  );
}

function nextOf<T>(list: T[]): IteratorResult<T> {
  const value = list.shift();
  return value === undefined ? { done: true, value } : { done: false, value };
}

describe('compare', () => {
  it('need not tell of what was passed by on both sides', async () => {
    const names = ['', 'a', 'b', 'c', 'd', 'e'];
    const now = names.filter((name) => name !== 'd').map((name) => current(name));
    const before = names.filter((name) => name !== 'b').map((name) => known(name));
    let asked = 0;
    // Each side gives what comes next, or is told to pass it by.
    const passSame = () => {
      asked++;
      while (now[0] !== undefined && now[0].key === before[0]?.key && now[0].key !== 'c') {
        now.shift();
        before.shift();
      }
    };
    const currentSide = { [Symbol.iterator]: () => ({ next: () => nextOf(now) }) };
    const comparison = new Comparison(
      currentSide as Iterable<CurrentEntry>,
      { next: () => before.shift() },
      owners,
      () => true,
      passSame,
    );
    const found: string[] = [];
    for (let change = await comparison.next(); change !== undefined; change = await comparison.next()) {
      found.push(`${change.kind} ${change.kind === 'deleted' ? change.known.key : change.current.key}`);
    }
    assert.deepEqual(found, ['new b', 'unchanged c', 'deleted d', 'unchanged e']);
    assert.equal(asked, 3);
  });

  it('is the difference of two maps, in path order', async () => {
    const side = orderedPaths.chain((keys) =>
      fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), fc.constantFrom(1, 2, 'deleted' as const)))),
    );
    await fc.assert(
      fc.asyncProperty(side, side, async (nowSide, beforeSide) => {
        const now = new Map(nowSide.map(([key, mtime]) => [key, mtime === 'deleted' ? 3 : mtime]));
        const before = new Map(beforeSide);
        const expected = [...new Set([...now.keys(), ...before.keys()])].sort().flatMap((key) => {
          const [present, past] = [now.get(key), before.get(key)];
          const existed = past !== undefined && past !== 'deleted';
          if (present === undefined) return existed && key !== '' ? [`deleted ${key}`] : [];
          if (!existed) return [`new ${key}`];
          return [`${present === past ? 'unchanged' : 'changed'} ${key}`];
        });
        const found = await changes(
          [...now].map(([key, mtimeSeconds]) => current(key, attributes({ mtimeSeconds }))),
          [...before].map(([key, mtime]) =>
            mtime === 'deleted'
              ? known(key, 'deleted', attributes({ mode: 0, mtimeSeconds: 0 }))
              : known(key, 'signature', attributes({ mtimeSeconds: mtime })),
          ),
        );
        assert.deepEqual(found, expected);
      }),
    );
  });

  it('never takes the root for deleted', async () => {
    assert.deepEqual(await changes([], [known('', 'snapshot', directory), known('a')]), ['deleted a']);
    assert.deepEqual(await changes([current('b')], [known('', 'snapshot', directory)]), ['new b']);
  });

  it('sees a change of type, with what was there before', async () => {
    const [change] = await joined([current('a', directory)], knownOf([known('a', 'signature')]));
    assert.ok(change?.kind === 'changed');
    assert.equal(change.known.kind, 'signature');
    assert.equal(change.current.attributes.type, 'directory');
  });

  it('takes a path that was deleted and made again for new', async () => {
    assert.deepEqual(await changes([current('a')], [known('a', 'deleted')]), ['new a']);
  });

  it('hands on an error of the known side', async () => {
    const broken = { next: () => Promise.reject(new Error('damaged')) };
    await assert.rejects(joined([current('a')], broken), { message: 'damaged' });
  });
});

describe('sameAttributes', () => {
  const same = (now: Partial<Attributes>, before: Partial<Attributes>) =>
    sameAttributes(attributes(now), attributes(before), owners);

  it('looks at permissions and time of files, directories and FIFOs', () => {
    for (const type of ['file', 'directory', 'fifo'] as const) {
      assert.ok(same({ type, linkTarget: 'x', deviceMinor: 1 }, { type }));
      for (const other of [{ mode: 0o600 }, { uid: 1 }, { gid: 1 }, { mtimeSeconds: 5 }]) {
        assert.ok(!same({ type }, { type, ...other }), `${type} ${JSON.stringify(other)}`);
      }
    }
    assert.ok(!same({ type: 'file' }, { type: 'fifo' }));
  });

  it('looks at nothing but the target of a symbolic link', () => {
    const type = 'symlink';
    const link = { type, linkTarget: 'x' } as const;
    assert.ok(same(link, { ...link, mode: 0, uid: 1, gid: 1, mtimeSeconds: 1 }));
    assert.ok(!same(link, { ...link, linkTarget: 'x/' }));
  });

  it('looks at permissions and numbers of a device, not at its time', () => {
    for (const type of ['char-device', 'block-device'] as const) {
      assert.ok(same({ type, deviceMajor: 8 }, { type, deviceMajor: 8, mtimeSeconds: 1 }));
      assert.ok(!same({ type, deviceMajor: 8 }, { type, deviceMajor: 9 }));
      assert.ok(!same({ type, deviceMinor: 1 }, { type }));
      assert.ok(!same({ type, mode: 0o600 }, { type }));
    }
  });

  it('takes all times before 1970 for the same', () => {
    assert.ok(sameTime(-7, 0));
    assert.ok(sameTime(-7, -8));
    assert.ok(!sameTime(-7, 1));
  });

  it('takes a name that is known here for its id here, else the number', () => {
    const now = attributes({ uid: 2000, gid: 100 });
    assert.ok(samePermissions(now, attributes({ uid: 1, uname: 'moved', gid: 7, gname: 'us' }), owners));
    assert.ok(samePermissions(now, attributes({ uid: 2000, uname: 'stranger' }), owners));
    assert.ok(!samePermissions(now, attributes({ uid: 2000, uname: 'me' }), owners));
  });
});
