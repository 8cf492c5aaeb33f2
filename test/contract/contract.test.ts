import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TundraError } from '../../src/base/errors.js';
import { openColdFile } from '../../src/storage/cold-file/cold-file-backend.js';
import { coldFileDriver } from '../../src/storage/cold-file/driver.js';
import { localDriver } from '../../src/storage/local/local-backend.js';
import { multiDriver } from '../../src/storage/multi/open.js';
import { BackendRegistry } from '../../src/storage/registry.js';
import { withRetries } from '../../src/storage/wrappers/retry.js';
import { backendContract, type Trial } from './backend-contract.js';
import { coldContract, thawingFirst } from './cold-contract.js';
import { MemoryBackend } from './memory-backend.js';

/** Storages kept in memory under an address that holds a password, alive as long as their registry. */
function memoryRegistry(): BackendRegistry {
  const storages = new Map<string, Map<string, Buffer>>();
  const load = () => (url: { path: string; display: string }) => {
    const objects = storages.get(url.path) ?? new Map<string, Buffer>();
    storages.set(url.path, objects);
    return new MemoryBackend(url.display, objects);
  };
  return new BackendRegistry([localDriver, coldFileDriver, multiDriver, { schemes: ['memory'], load }]);
}

/** A storage at an address, in which FOLDER stands for a new folder that holds the given files. */
function trialAt(
  address: string,
  files: Record<string, object> = {},
  secrets: string[] = [],
): () => Promise<Trial> {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tundra-contract-'));
    const registry = memoryRegistry();
    for (const [name, value] of Object.entries(files)) {
      await writeFile(join(folder, name), JSON.stringify(value).replaceAll('FOLDER', folder));
    }
    const options = { numRetries: 1, retryDelayMs: 0, timeoutMs: 1000 };
    return {
      open: () => registry.open(address.replaceAll('FOLDER', folder), { env: {}, registry, options }),
      secrets,
      dispose: () => rm(folder, { recursive: true }),
    };
  };
}

backendContract('local folder', trialAt('file://FOLDER/made/for/it'));
backendContract('local folder with an odd name', trialAt('file://FOLDER/%C3%A4%20%2523/x'));
backendContract('memory', async () => {
  const backend = new MemoryBackend();
  return { open: async () => backend };
});

const folders = [{ url: 'file://FOLDER/a' }, { url: 'file://FOLDER/b' }, { url: 'file://FOLDER/c' }];
backendContract('mirror of folders', trialAt('multi://FOLDER/m.json?mode=mirror', { 'm.json': folders }));
backendContract('stripe of folders', trialAt('multi://FOLDER/m.json', { 'm.json': folders }));
backendContract(
  'mirror with prefixes',
  trialAt(
    'multi://FOLDER/m.json?mode=mirror&onfail=abort',
    {
      'm.json': [
        { url: 'memory://id:s3cret@cold', prefixes: ['cold_', 'ob'] },
        { url: 'file://FOLDER/hot', prefixes: ['hot_', 'a'], description: 'hot' },
        { url: 'file://FOLDER/rest', env: [{ name: 'PASSWORD', value: 's3cret' }] },
      ],
    },
    ['s3cret'],
  ),
);
backendContract(
  'stripe of a mirror and a folder',
  trialAt('multi://FOLDER/outer.json', {
    'outer.json': [{ url: 'multi://FOLDER/inner.json?mode=mirror' }, { url: 'file://FOLDER/c' }],
    'inner.json': folders.slice(0, 2),
  }),
);

backendContract('memory in which every third step fails, with retries', async () => {
  const memory = new MemoryBackend();
  let count = 0;
  memory.fault = (call) =>
    call === 'close' || count++ % 3 > 0 ? undefined : new TundraError('connection', 'lost', { retry: 'now' });
  const backend = withRetries(memory, { attempts: 50, delayMs: 0, sleep: async () => {} });
  return { open: async () => backend };
});

const coldFolder = trialAt('cold+file://FOLDER/made/for/it?thaw=0');
backendContract('cold folder, thawed before it is read', async () => {
  const trial = await coldFolder();
  return { ...trial, open: async () => thawingFirst(await trial.open(), async () => {}) };
});

coldContract('cold folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tundra-contract-'));
  const times = { shortestMs: 1000, longestMs: 60_000, keepMs: 3600_000 };
  let nowMs = Date.UTC(2026, 0, 1);
  return {
    open: async () => {
      const backend = await openColdFile(folder, 'cold', times, () => nowMs);
      return withRetries(backend, { attempts: 3, delayMs: 0 });
    },
    passTime: async () => {
      nowMs += times.longestMs;
    },
    countThaws: async () => {
      const log = await readFile(join(folder, '.tundra-cold/requests.log'), 'utf8').catch(() => '');
      return log.split('\n').filter((line) => line.includes(' thaw ')).length;
    },
    dispose: () => rm(folder, { recursive: true }),
  };
});
