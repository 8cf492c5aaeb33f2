import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PathKey } from '../base/path-key.js';
import { collectAll, orderedPaths, paths } from './entries.fixture.js';
import { type EntryStream, Merge, type VersionKind } from './merge.js';

interface Entry {
  key: PathKey;
  kind: VersionKind;
}

interface Volume {
  /** The lowest path it can have. */
  startKey: PathKey;
  entries: Entry[];
}

/** A set in volumes that are opened one after the other; of one that is not open only the start is known. */
class SetStream implements EntryStream<Entry> {
  readonly age: number;
  readonly #volumes: readonly Volume[];
  readonly #onOpen: (volume: Volume) => void;
  #next = 0;
  #open: Entry[] | undefined;
  entry: Entry | undefined;
  key: PathKey | undefined;

  constructor(age: number, volumes: readonly Volume[], onOpen: (volume: Volume) => void = () => {}) {
    this.age = age;
    this.#volumes = volumes;
    this.#onOpen = onOpen;
    this.key = volumes[0]?.startKey;
  }

  async advance(): Promise<void> {
    if (this.#open === undefined) {
      const volume = this.#volumes[this.#next++] as Volume;
      this.#onOpen(volume);
      this.#open = [...volume.entries];
    }
    this.entry = this.#open.shift();
    if (this.entry === undefined) this.#open = undefined;
    this.key = this.entry?.key ?? this.#volumes[this.#next]?.startKey;
  }
}

/** What a merge gives, a line for each path: `a: 0 snapshot, 2 diff`. */
async function merged(streams: SetStream[]): Promise<string[]> {
  const lines: string[] = [];
  for await (const versions of new Merge(streams))
    lines.push(
      line(
        versions[0]!.key!,
        versions.map(({ age, entry }) => [age, entry!.kind]),
      ),
    );
  return lines;
}

function line(key: PathKey, versions: [number, VersionKind][]): string {
  return `${key}: ${versions.map(([age, kind]) => `${age} ${kind}`).join(', ')}`;
}

/** The same by replaying the sets one after the other into a map. */
function replayed(sets: readonly Entry[][]): string[] {
  const state = new Map<PathKey, [number, VersionKind][]>();
  for (const [age, entries] of sets.entries()) {
    for (const { key, kind } of entries) {
      if (kind === 'deleted') state.delete(key);
      else if (kind === 'snapshot') state.set(key, [[age, kind]]);
      else state.set(key, [...(state.get(key) ?? []), [age, kind]]);
    }
  }
  return [...state.keys()].sort().map((key) => line(key, state.get(key)!));
}

const kinds: VersionKind[] = ['snapshot', 'diff', 'deleted'];
const set = orderedPaths.chain((keys) =>
  fc
    .array(fc.constantFrom(...kinds), { minLength: keys.length, maxLength: keys.length })
    .map((some) => keys.map((key, i): Entry => ({ key, kind: some[i]! }))),
);

/** Cuts a set into volumes; bits of `cuts` say where, and how far below its first path a volume may seem to begin. */
function inVolumes(entries: Entry[], cuts: number): Volume[] {
  const volumes: Volume[] = [];
  let last = '';
  for (const [i, entry] of entries.entries()) {
    if (i === 0 || (cuts >> i) & 1) {
      const below = paths.filter((path) => path > last && path <= entry.key).sort();
      volumes.push({ startKey: (cuts & 1 ? below[0] : undefined) ?? entry.key, entries: [] });
    }
    volumes.at(-1)!.entries.push(entry);
    last = entry.key;
  }
  return volumes;
}

const histories = fc.array(fc.tuple(set, fc.nat(0xffff)), { maxLength: 5 });

describe('merge', () => {
  it('gives what replaying the sets gives, however they are cut into volumes', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (sets) => {
        const streams = sets.map(([entries, cuts], age) => new SetStream(age, inVolumes(entries, cuts)));
        assert.deepEqual(await merged(streams), replayed(sets.map(([entries]) => entries)));
      }),
    );
  });

  it('opens a volume only when all paths before it have been given', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (sets) => {
        const expected = replayed(sets.map(([entries]) => entries));
        let given = 0;
        const streams = sets.map(
          ([entries, cuts], age) =>
            new SetStream(age, inVolumes(entries, cuts), ({ startKey }) => {
              const before = expected.filter((text) => text.split(': ')[0]! < startKey);
              assert.ok(given >= before.length, `${JSON.stringify(startKey)} after ${given} paths`);
            }),
        );
        for await (const _ of new Merge(streams)) given++;
      }),
    );
  });

  it('takes only what is needed: the newest whole entry and the differences after it', async () => {
    const sets: Entry[][] = [
      [{ key: 'a', kind: 'snapshot' }],
      [{ key: 'a', kind: 'diff' }],
      [{ key: 'a', kind: 'snapshot' }],
      [{ key: 'a', kind: 'diff' }],
      [{ key: 'a', kind: 'diff' }],
    ];
    const streams = sets.map((entries, age) => new SetStream(age, [{ startKey: 'a', entries }]));
    assert.deepEqual(await merged(streams), ['a: 2 snapshot, 3 diff, 4 diff']);
  });

  it('follows a path that is deleted, made again, and deleted again', async () => {
    const history: VersionKind[] = ['snapshot', 'deleted', 'snapshot', 'deleted'];
    for (let sets = 1; sets <= history.length; sets++) {
      const streams = history
        .slice(0, sets)
        .map((kind, age) => new SetStream(age, [{ startKey: '', entries: [{ key: 'a', kind }] }]));
      assert.deepEqual(await merged(streams), sets % 2 === 0 ? [] : [`a: ${sets - 1} snapshot`]);
    }
  });

  it('gives a difference after a deletion alone, so that its lack of a base shows', async () => {
    const history: VersionKind[] = ['snapshot', 'deleted', 'diff'];
    const streams = history.map(
      (kind, age) => new SetStream(age, [{ startKey: 'a', entries: [{ key: 'a', kind }] }]),
    );
    assert.deepEqual(await merged(streams), ['a: 2 diff']);
  });

  it('passes over volumes without an entry', async () => {
    const streams = [
      new SetStream(0, [
        { startKey: 'a', entries: [] },
        { startKey: 'a', entries: [] },
        { startKey: 'a', entries: [{ key: 'b', kind: 'snapshot' }] },
      ]),
      new SetStream(1, []),
    ];
    assert.deepEqual(await merged(streams), ['b: 0 snapshot']);
  });

  it('refuses a volume that holds paths from before its start, once they were passed', async () => {
    const late = [
      { startKey: 'a', entries: [{ key: 'b', kind: 'snapshot' as const }] },
      { startKey: 'c', entries: [{ key: 'a', kind: 'snapshot' as const }] },
    ];
    await assert.rejects(merged([new SetStream(0, late)]), { code: 'format' });
    const twice = [late[0]!, { startKey: 'c', entries: [{ key: 'b', kind: 'deleted' as const }] }];
    await assert.rejects(merged([new SetStream(0, twice)]), { code: 'format' });
  });

  it('hands on an error of a stream', async () => {
    const stream = new SetStream(0, [{ startKey: '', entries: [] }], () => {
      throw new Error('not there');
    });
    await assert.rejects(collectAll(new Merge([stream])), { message: 'not there' });
  });
});
