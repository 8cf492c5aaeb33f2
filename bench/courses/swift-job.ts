/** Stores or fetches files with tundra's storage, in a process of its own: `node swift-job.js JOB`, a `Job` as JSON. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileSource } from '../../src/operations/uploads.js';
import { BackendRegistry, defaultBackendOptions } from '../../src/storage/registry.js';
import { swiftDriver } from '../../src/storage/swift/driver.js';
import type { Job } from './swift.js';

async function runJob({ direction, container, folder, names }: Job): Promise<void> {
  const registry = new BackendRegistry([swiftDriver()]);
  const context = { env: process.env, registry, options: defaultBackendOptions };
  const backend = await registry.open(`swift://${container}`, context);
  for (const name of names) {
    const path = join(folder, name);
    if (direction === 'store') {
      await backend.put(name, await fileSource(path));
      continue;
    }
    const file = openSync(path, 'w');
    for await (const piece of await backend.get(name)) writeSync(file, piece);
    closeSync(file);
  }
  await backend.close();
}

await runJob(JSON.parse(process.argv[2] ?? '') as Job);
