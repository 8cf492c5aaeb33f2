/**
 * Compares how fast tundra and python-swiftclient move files to and from a real Swift on this machine. `--help` tells
 * the options.
 */
import { createHash, randomFillSync } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fileSource } from '../src/operations/uploads.js';
import { BackendRegistry, defaultBackendOptions } from '../src/storage/registry.js';
import { swiftDriver } from '../src/storage/swift/driver.js';
import { hasProgram } from '../test/peers.js';
import { openStackPeers, type PrivateOpenStack, startOpenStack } from '../test/services/openstack.js';
import { type Measurement, measure } from './measure.js';
import { median, renderText } from './table.js';

const usage = `node dist/bench/swift.js [options]
Stores files in a real Swift on this machine and fetches them again, the clients taking turns: tundra, python-swiftclient's
program "swift", and its library. Timed is each client's whole process. tundra and the library move one file after another,
the program as many side by side as it does by default. Needs Swift's and Keystone's Debian packages.
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

/** A client: the command that does a job. */
interface Client {
  name: string;
  command(job: Job): readonly [program: string, ...args: string[]];
}

// The checks of the second are those of the program "swift"; its plain calls, which the peer makes, have none.
const swiftClientScript = `
import hashlib, json, os, sys
from swiftclient.client import Connection
from swiftclient.utils import LengthWrapper
checked, job = sys.argv[1] == 'checked', json.loads(sys.argv[2])
env = {name[6:]: value for name, value in os.environ.items() if name.startswith('SWIFT_')}
storage = Connection(authurl=env['AUTHURL'], auth_version='3', user=env['USERNAME'], key=env['PASSWORD'],
                     os_options={'project_id': env['TENANTID'], 'region_name': env['REGIONNAME'],
                                 'user_domain_name': 'Default'})
storage.put_container(job['container'])
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
`;

const scriptOf = (checks: string) => (job: Job) =>
  ['/usr/bin/python3', '-c', swiftClientScript, checks, JSON.stringify(job)] as const;

const clients: readonly Client[] = [
  {
    name: 'tundra',
    command: (job) => [process.execPath, fileURLToPath(import.meta.url), '--job', JSON.stringify(job)],
  },
  {
    name: 'swift upload, download',
    command: ({ direction, container, names }) =>
      direction === 'store'
        ? ['swift', 'upload', '--quiet', container, ...names]
        : ['swift', 'download', '--quiet', container],
  },
  { name: 'library, checking MD5', command: scriptOf('checked') },
  { name: 'library', command: scriptOf('plain') },
];

/** Does a job with tundra's storage. */
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

/** The login under the names that the program "swift" knows. */
function namedForSwiftClient(own: Readonly<Record<string, string>>): Record<string, string> {
  return {
    OS_AUTH_URL: own.SWIFT_AUTHURL!,
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: own.SWIFT_USERNAME!,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PASSWORD: own.SWIFT_PASSWORD!,
    OS_PROJECT_ID: own.SWIFT_TENANTID!,
    OS_REGION_NAME: own.SWIFT_REGIONNAME!,
  };
}

async function timed(
  { command }: Client,
  job: Job,
  services: PrivateOpenStack,
  logs: string,
): Promise<Measurement> {
  const own = services.environment('SWIFT', 3);
  const env = { ...own, ...namedForSwiftClient(own) };
  const [program, ...args] = command(job);
  return measure({ program, args, env, cwd: job.folder }, logs);
}

function digestOf(folder: string, names: readonly string[]): string {
  const digest = createHash('sha256');
  for (const name of names) digest.update(readFileSync(join(folder, name)));
  return digest.digest('hex');
}

interface Options {
  files: number;
  sizeMb: number;
  rounds: number;
}

/** All runs of a client. */
interface Runs {
  client: Client;
  store: Measurement[];
  fetch: Measurement[];
}

/** Lets the clients store and fetch the files in turns. */
async function runRounds(services: PrivateOpenStack, work: string, options: Options): Promise<Runs[]> {
  const [source, target] = [join(work, 'source'), join(work, 'target')];
  for (const folder of [source, target]) mkdirSync(folder);
  const names = Array.from({ length: options.files }, (_, index) => `file-${index}`);
  for (const name of names) {
    writeFileSync(join(source, name), randomFillSync(Buffer.alloc(options.sizeMb * 1e6)));
  }
  const expected = digestOf(source, names);
  const all = clients.map((client): Runs => ({ client, store: [], fetch: [] }));
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < all.length; turn++) {
      // Another one begins in each round: what runs first after a pause may have it easier.
      const { client, store, fetch } = all[(round + turn) % all.length]!;
      const job: Job = { direction: 'store', container: `bench-${turn}-${round}`, folder: source, names };
      store.push(await timed(client, job, services, work));
      fetch.push(await timed(client, { ...job, direction: 'fetch', folder: target }, services, work));
      if (digestOf(target, names) !== expected) throw new Error(`${client.name} fetched other bytes`);
      process.stderr.write(`round ${round + 1}: ${client.name}\n`);
    }
  }
  return all;
}

/** The table: how fast each client was, how many times as fast as that tundra was, and its own processor time. */
function report(all: readonly Runs[], { files, sizeMb, rounds }: Options): string {
  const own = all[0]!;
  const megabytes = files * sizeMb;
  const medianOf = (runs: readonly Measurement[], key: 'seconds' | 'cpuSeconds') =>
    median(runs.map((took) => took[key] ?? Number.NaN));
  const cells = (runs: Runs, direction: Job['direction']) => {
    const seconds = medianOf(runs[direction], 'seconds');
    const ratio = seconds / medianOf(own[direction], 'seconds');
    const cpuMsPerMb = (medianOf(runs[direction], 'cpuSeconds') * 1000) / megabytes;
    const speed = (megabytes / seconds).toFixed(0);
    return [runs === own ? speed : `${speed} (${ratio.toFixed(2)}x)`, cpuMsPerMb.toFixed(1)];
  };
  const head = ['', 'store', 'its CPU', 'fetch', 'its CPU'];
  const rows = all.map((runs) => [runs.client.name, ...cells(runs, 'store'), ...cells(runs, 'fetch')]);
  return [
    `${files} files of ${sizeMb} MB each, medians of ${rounds} rounds: MB/s, and milliseconds of the client's processor`,
    'time for each MB. (Nx): tundra is so many times as fast.',
    renderText([head, ...rows]),
  ].join('\n');
}

function countOf(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option} takes a whole number, not ${text}`);
  return Number(text);
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
  if (values.job !== undefined) return runJob(JSON.parse(values.job) as Job);
  const options = {
    files: countOf('files', values.files),
    sizeMb: countOf('size-mb', values['size-mb']),
    rounds: countOf('repeat', values.repeat),
  };
  const missing = [...openStackPeers, 'swiftclient'].filter((name) => !hasProgram(name));
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}`);
  const work = mkdtempSync(join(resolve(values.work), 'tundra-bench-'));
  let services: PrivateOpenStack | undefined;
  try {
    services = await startOpenStack();
    console.log(report(await runRounds(services, work, options), options));
  } finally {
    await services?.stop();
    rmSync(work, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
});
