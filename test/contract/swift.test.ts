import { randomBytes } from 'node:crypto';
import { type BackendOptions, BackendRegistry } from '../../src/storage/registry.js';
import { swiftDriver } from '../../src/storage/swift/driver.js';
import { FakeSwift } from '../../src/storage/swift/swift-server.fixture.js';
import { type OpenStack, openStack } from '../services/openstack.js';
import { backendContract, type Trial } from './backend-contract.js';
import { type ColdTrial, coldContract, thawingFirst } from './cold-contract.js';

/** A storage at an address with these variables. */
function trialAt(address: string, env: Record<string, string>, options: Partial<BackendOptions> = {}): Trial {
  const registry = new BackendRegistry([swiftDriver()]);
  const all = { numRetries: 3, retryDelayMs: 0, timeoutMs: 20_000, ...options };
  const secrets = Object.entries(env)
    .filter(([name]) => name.endsWith('_PASSWORD'))
    .map(([, value]) => value);
  return { open: () => registry.open(address, { env, registry, options: all }), secrets };
}

backendContract('Swift in memory', async (t) => {
  const fake = await FakeSwift.start(t);
  return trialAt('swift://container', fake.environment());
});

const kinds: [string, 1 | 3, Partial<BackendOptions>][] = [
  ['auth version 1', 1, {}],
  ['auth version 3, in segments', 3, { segmentSizeBytes: 30_000, swiftStoragePolicy: 'PCS' }],
];
for (const [title, version, options] of kinds) {
  backendContract(`real Swift, ${title}`, async (t) => {
    const services = await openStack(t);
    if (services === undefined) return undefined;
    const folder = version === 1 ? '' : '/some/folder';
    return trialAt(`swift://${newName()}${folder}`, services.environment('SWIFT', version), options);
  });
}

backendContract('real Swift as an archive, thawed before it is read', async (t) => {
  const services = await openStack(t);
  if (services === undefined) return undefined;
  const container = newName();
  await services.pca.rules(container, { thawSeconds: 0, unsealedSeconds: 3600 });
  const trial = trialAt(`pca://${container}`, services.environment('PCA', 3));
  return { ...trial, open: async () => thawingFirst(await trial.open(), async () => {}) };
});

coldContract('real Swift as an archive', async (t) => {
  const services = await openStack(t);
  return services && archiveTrial(services);
});

/** An archive in which what was asked for is ready when the test says so. */
function archiveTrial({ pca, environment }: OpenStack): ColdTrial {
  const container = newName();
  const started = async () => (await pca.gets(container)).filter((get) => get.started);
  return {
    ...trialAt(`pca://${container}`, environment('PCA', 1)),
    passTime: async () => {
      for (const { object } of await started()) await pca.unseal(container, object);
    },
    countThaws: async () => (await started()).length,
  };
}

function newName(): string {
  return `contract-${randomBytes(8).toString('hex')}`;
}
