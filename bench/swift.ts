/**
 * Compares how fast tundra and python-swiftclient move files to and from a real Swift on this machine. `--help` tells
 * the options.
 */
import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { fileSource } from '../src/operations/uploads.js';
import { BackendRegistry, defaultBackendOptions } from '../src/storage/registry.js';
import { swiftDriver } from '../src/storage/swift/driver.js';
import { hasProgram } from '../test/peers.js';
import { openStackPeers, type PrivateOpenStack, startOpenStack } from '../test/services/openstack.js';
import { median, renderText } from './table.js';

const usage = `node dist/bench/swift.js [options]
Stores files in a real Swift on this machine and fetches them again, with tundra and with python-swiftclient: one file
after another over one connection each, the clients taking turns. Needs Swift's and Keystone's Debian packages.
  --files N      how many (default 8)
  --size-mb N    of so many MB (default 25)
  --repeat N     rounds; medians are shown (default 5)
  --work DIR     where to work (default the system's folder for temporary files)`;

/** What one client is to do, in a process of its own. */
interface Job {
  direction: 'store' | 'fetch';
  container: string;
  /** Where the files are read from, or written to. */
  folder: string;
  names: readonly string[];
}

/** A client: the program that does a job and prints how many seconds that took. */
interface Client {
  name: string;
  program: string;
  args: readonly string[];
}

// The checks of the second are those of the program "swift"; its plain calls, which the peer makes, have none.
const swiftClientScript = `
import hashlib, json, os, sys, time
from swiftclient.client import Connection
from swiftclient.utils import LengthWrapper
checked, job = sys.argv[1] == 'checked', json.loads(sys.argv[2])
env = {name[6:]: value for name, value in os.environ.items() if name.startswith('SWIFT_')}
storage = Connection(authurl=env['AUTHURL'], auth_version='3', user=env['USERNAME'], key=env['PASSWORD'],
                     os_options={'project_id': env['TENANTID'], 'region_name': env['REGIONNAME'],
                                 'user_domain_name': 'Default'})
storage.put_container(job['container'])
started = time.monotonic()
for name in job['names']:
    path = os.path.join(job['folder'], name)
    if job['direction'] == 'store':
        size = os.path.getsize(path)
        with open(path, 'rb') as file:
            contents = LengthWrapper(file, size, md5=True) if checked else file
            etag = storage.put_object(job['container'], name, contents, content_length=size)
        assert not checked or etag == contents.get_md5sum()
    else:
        headers, body = storage.get_object(job['container'], name, resp_chunk_size=65536)
        md5 = hashlib.md5()
        with open(path, 'wb') as file:
            for piece in body:
                file.write(piece)
                if checked:
                    md5.update(piece)
        assert not checked or headers['etag'] == md5.hexdigest()
print(time.monotonic() - started)
`;

const clients: readonly Client[] = [
  { name: 'tundra', program: process.execPath, args: [fileURLToPath(import.meta.url), '--job'] },
  {
    name: 'swiftclient, checking MD5',
    program: '/usr/bin/python3',
    args: ['-c', swiftClientScript, 'checked'],
  },
  { name: 'swiftclient', program: '/usr/bin/python3', args: ['-c', swiftClientScript, 'plain'] },
];

/** Does a job with tundra's storage. Gives the seconds it took. */
async function runJob({ direction, container, folder, names }: Job): Promise<number> {
  const registry = new BackendRegistry([swiftDriver()]);
  const context = { env: process.env, registry, options: defaultBackendOptions };
  const backend = await registry.open(`swift://${container}`, context);
  await backend.list();
  const start = process.hrtime.bigint();
  for (const name of names) {
    const path = join(folder, name);
    if (direction === 'store') {
      await backend.put(name, await fileSource(path));
      continue;
    }
    const file = await open(path, 'w');
    for await (const piece of await backend.get(name)) await file.writeFile(piece);
    await file.close();
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  await backend.close();
  return seconds;
}

async function timed({ program, args }: Client, job: Job, services: PrivateOpenStack): Promise<number> {
  const env = { ...process.env, ...services.environment('SWIFT', 3) };
  const { stdout } = await promisify(execFile)(program, [...args, JSON.stringify(job)], { env });
  return Number(stdout);
}

function digestOf(folder: string, names: readonly string[]): string {
  const digest = createHash('sha256');
  for (const name of names) digest.update(readFileSync(join(folder, name)));
  return digest.digest('hex');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', default: '8' },
      'size-mb': { type: 'string', default: '25' },
      repeat: { type: 'string', default: '5' },
      work: { type: 'string', default: tmpdir() },
      job: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(usage);
  if (values.job !== undefined) return console.log(await runJob(JSON.parse(values.job) as Job));
  const missing = [...openStackPeers, 'swiftclient'].filter((name) => !hasProgram(name));
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);

  const [files, sizeMb, rounds] = [values.files, values['size-mb'], values.repeat].map(Number) as [
    number,
    number,
    number,
  ];
  const names = Array.from({ length: files }, (_, index) => `file-${index}`);
  const work = mkdtempSync(join(resolve(values.work), 'tundra-bench-'));
  let services: PrivateOpenStack | undefined;
  try {
    const [source, target] = [join(work, 'source'), join(work, 'target')];
    for (const folder of [source, target]) mkdirSync(folder);
    for (const name of names) writeFileSync(join(source, name), randomFillSync(Buffer.alloc(sizeMb * 1e6)));
    const expected = digestOf(source, names);
    services = await startOpenStack();
    const speeds = new Map(
      clients.map(({ name }) => [name, { store: [] as number[], fetch: [] as number[] }]),
    );
    for (let round = 0; round < rounds; round++) {
      // Each begins in its turn: what runs first after a pause may have it easier.
      const order = clients.map((_, index) => clients[(round + index) % clients.length]!);
      for (const client of order) {
        const speed = speeds.get(client.name)!;
        const container = `bench-${clients.indexOf(client)}-${round}`;
        const store: Job = { direction: 'store', container, folder: source, names };
        speed.store.push((files * sizeMb) / (await timed(client, store, services)));
        speed.fetch.push(
          (files * sizeMb) /
            (await timed(client, { ...store, direction: 'fetch', folder: target }, services)),
        );
        if (digestOf(target, names) !== expected) throw new Error(`${client.name} fetched other bytes`);
        process.stderr.write(`round ${round + 1}: ${client.name}\n`);
      }
    }
    const own = speeds.get('tundra')!;
    const cell = (mine: readonly number[], tundra: readonly number[]) =>
      `${median(mine).toFixed(0)} (${(median(mine) / median(tundra)).toFixed(2)})`;
    const rows = [...speeds].map(([name, { store, fetch }]) => [
      name,
      cell(store, own.store),
      cell(fetch, own.fetch),
    ]);
    console.log(
      `MB/s of ${files} files of ${sizeMb} MB each, medians of ${rounds} rounds; in brackets: times tundra's`,
    );
    console.log(renderText([['', 'store', 'fetch'], ...rows]));
  } finally {
    await services?.stop();
    rmSync(work, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
});
