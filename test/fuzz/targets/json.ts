import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { collectBytes } from '../../../src/base/bytes.js';
import { TundraError } from '../../../src/base/errors.js';
import { isOfEndedRun, runMark } from '../../../src/base/run-mark.js';
import type { LocalArchive } from '../../../src/chain/archive.js';
import { checkpointName, readCheckpoint } from '../../../src/chain/checkpoint.js';
import { acquireSpoolLock } from '../../../src/chain/lock.js';
import { expectedWait, readThawHistory, thawHistoryName } from '../../../src/chain/thaw-history.js';
import { costOf, earlyDeletions, parsePrices } from '../../../src/config/prices.js';
import { formatTime } from '../../../src/format/times.js';
import type { Session } from '../../../src/operations/session.js';
import { timeOfUnfinished } from '../../../src/operations/unfinished-restore.js';
import { openColdFile } from '../../../src/storage/cold-file/cold-file-backend.js';
import { recordsFolderName } from '../../../src/storage/cold-file/thaw-records.js';
import { parseConfig, readConfigFile } from '../../../src/storage/multi/config.js';
import { parseUrl } from '../../../src/storage/url.js';
import { TrialFolder } from '../folder.js';
import { jsonMutation } from '../json-mutations.js';
import type { Random } from '../random.js';
import { about, type FuzzTarget, tagged } from '../target.js';

const folder = new TrialFolder();
const nowMs = 1_700_000_000_000;
const minuteMs = 60_000;

/** A small file that is JSON, or a line: its sample, and who reads it. */
interface SmallFile {
  sample: string;
  read(bytes: Buffer, random: Random): unknown;
}

const multiConfig: SmallFile = {
  sample: JSON.stringify([
    { description: 'd', url: 'file:///a', env: [{ name: 'N', value: 'v' }], prefixes: ['a', 'é'] },
    { url: 'swift://b', more: 1 },
  ]),
  async read(bytes) {
    const text = await readConfigFile(folder.stored('multi.json', bytes));
    const stores = parseConfig(text, 'c.json', () => {});
    for (const { url } of stores) parseUrl(url);
    return about(stores.length);
  },
};

const prices: SmallFile = {
  sample: JSON.stringify({
    currency: 'EUR',
    classes: {
      pca: { retrievalPerGb: 0.01, requestsPer1000: 1, trafficPerGb: 2, minimumDays: 3 },
      x: { storagePerGbMonth: 1 },
    },
  }),
  read(bytes) {
    const table = parsePrices(bytes.toString('utf8'), 'prices.json');
    const classes = [...table.classes.keys(), 'pca', '__proto__'];
    const cost = costOf(
      table,
      classes.map((storageClass) => ({ storageClass, sizeBytes: 1e12, state: 'sealed' })),
    );
    earlyDeletions(
      table,
      classes.map((storageClass) => ({ storageClass, sizeBytes: 1e12, ageSeconds: 5 })),
    );
    return `${cost.currency.length} ${about(cost.lines.length)} ${cost.unpriced.length}`;
  },
};

const thawHistory: SmallFile = {
  sample: JSON.stringify({
    thaws: [1, 2, 3, 4].map((n) => ({
      storageClass: 'pca',
      store: 's',
      sizeBytes: n,
      waitedMs: n,
      atMs: nowMs + n,
    })),
  }),
  read(bytes) {
    folder.stored(thawHistoryName, bytes);
    const history = readThawHistory({ pathOf: (name) => folder.path(name) });
    return `${about(history.length)} ${expectedWait(history, 'pca')?.source} ${expectedWait(history, '__proto__')}`;
  },
};

/** A record of a folder that is played to be cold storage, and what is done with the times that it tells. */
const thawRecord: SmallFile = {
  sample: JSON.stringify({
    askedAtMs: nowMs,
    readyAtMs: nowMs + minuteMs,
    readyUntilMs: nowMs + 60 * minuteMs,
  }),
  async read(bytes, random) {
    const name = 'object';
    mkdirSync(folder.path(`cold/${recordsFolderName}`), { recursive: true });
    folder.stored(`cold/${name}`, 'bytes');
    const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
    folder.stored(`cold/${recordsFolderName}/${hash}.json`, bytes);
    const times = { shortestMs: 1, longestMs: 2, keepMs: 3 };
    const now = random.pick([nowMs, nowMs + 2 * minuteMs]);
    const backend = await openColdFile(folder.path('cold'), 'cold', times, () => now);
    const [object] = await backend.cold!.survey();
    for (const ms of [object?.readyAtMs, object?.readyUntilMs])
      if (ms !== undefined) new Date(ms).toISOString();
    const state = object?.state;
    const got = await backend.get(name).then(
      async (stream) => (await collectBytes(stream, 100)).length,
      (error) => {
        if (error instanceof TundraError) return error.code;
        throw error;
      },
    );
    await backend.close();
    return `${state} ${got}`;
  },
};

const unfinishedRestore: SmallFile = {
  sample: JSON.stringify({ target: '/t', path: '', time: '3D', at: 1_600_000_000, begunAt: 1_700_000_000 }),
  async read(bytes, random) {
    const read = async function* () {
      yield bytes;
    };
    const session = { archive: { read }, now: () => 1_700_000_000 } as unknown as Session;
    const anyAge = random.oneIn(2);
    const time = await timeOfUnfinished(session, { target: '/t', path: '', time: '3D' }, { anyAge });
    return time === undefined ? 'none' : formatTime(time).length;
  },
};

const lock: SmallFile = {
  sample: JSON.stringify({
    pid: 999_999_999,
    start: '1',
    host: 'h',
    since: '2026',
    token: '0123456789abcdef',
  }),
  async read(bytes) {
    mkdirSync(folder.path('locked'), { recursive: true });
    folder.stored('locked/tundra-spool.lock', bytes);
    const held = await acquireSpoolLock(folder.path('locked'));
    await held.release();
    return 'taken';
  },
};

const checkpoint: SmallFile = {
  sample: [
    { version: 1, set: '1600000000', token: 't', keys: ['k'] },
    { volume: 1, sizeBytes: 5, sha1Hex: '00', file: { kind: 'diff', stamp: '1', deltaRevision: 2 } },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join(''),
  read(bytes) {
    folder.stored(checkpointName, bytes);
    const archive = { pathOf: (name: string) => folder.path(name) } as LocalArchive;
    return readCheckpoint(archive, { type: 'full', time: 1_600_000_000 })?.volumes.size;
  },
};

const mark: SmallFile = {
  sample: runMark(),
  read: (bytes) => isOfEndedRun(bytes.toString('latin1')),
};

const files = [multiConfig, prices, thawHistory, thawRecord, unfinishedRestore, lock, mark, checkpoint];

/** The small files that tundra reads: the first byte says which. */
export const json: FuzzTarget = {
  samples: () => files.map(({ sample }, index) => tagged(index, sample)),
  words: [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    'null',
    '1e999',
    '-0',
    '\\ud800',
    '{"__proto__":',
    '[[[[[[[[',
    '\xef\xbb\xbf',
  ],
  mutations: [jsonMutation((bytes) => [1, bytes.length]), jsonMutation((bytes) => [1, bytes.length])],
  async run(bytes, random) {
    const which = (bytes[0] ?? 0) % files.length;
    return `${which} ${await files[which]!.read(bytes.subarray(1), random)}`;
  },
  close: () => folder.remove(),
};
