import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from '../../test/peers.js';
import { openStackPeers, type PrivateOpenStack, startOpenStack } from '../../test/services/openstack.js';
import { noise } from '../contents.js';
import type { Comparison } from '../findings.js';
import { measure } from '../measure.js';
import type { Stage } from '../stage.js';

const rounds = 5;
const files = 8;
const fileBytes = 25_000_000;

/** What one client is to do, in a process of its own. */
export interface Job {
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

const jobProgram = fileURLToPath(new URL('./swift-job.js', import.meta.url));

const clients: readonly Client[] = [
  {
    name: 'tundra',
    command: (job) => [process.execPath, jobProgram, JSON.stringify(job)],
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

/** The speed of a job in MB/s. */
async function speedOf(
  { command }: Client,
  job: Job,
  services: PrivateOpenStack,
  logs: string,
): Promise<number> {
  const own = services.environment('SWIFT', 3);
  const env = { ...own, ...namedForSwiftClient(own) };
  const [program, ...args] = command(job);
  const { seconds } = await measure({ program, args, env, cwd: job.folder }, logs);
  return (job.names.length * fileBytes) / 1e6 / seconds;
}

function digestOf(folder: string, names: readonly string[]): string {
  const digest = createHash('sha256');
  for (const name of names) digest.update(readFileSync(join(folder, name)));
  return digest.digest('hex');
}

/**
 * Files to a real Swift on this machine and back, the clients taking turns: tundra, python-swiftclient's program, and its
 * library. Timed is each client's whole process. tundra and the library move one file after another, the program as many
 * side by side as it does by default.
 */
export async function swift(stage: Stage): Promise<void> {
  const missing = [...openStackPeers, 'swiftclient'].filter((name) => !hasProgram(name));
  if (missing.length > 0) return stage.progress(`swift: left out, not installed: ${missing.join(', ')}`);
  const services = await startOpenStack();
  try {
    stage.findings.comparisons.push(await runRounds(services, stage.folder));
  } finally {
    await services.stop();
  }
}

async function runRounds(services: PrivateOpenStack, work: string): Promise<Comparison> {
  const [source, target] = [join(work, 'source'), join(work, 'target')];
  for (const folder of [source, target]) mkdirSync(folder);
  const names = Array.from({ length: files }, (_, index) => `file-${index}`);
  const contents = noise('swift');
  for (const name of names) writeFileSync(join(source, name), contents(fileBytes));
  const expected = digestOf(source, names);
  const [store, fetch]: [number[][], number[][]] = [clients.map(() => []), clients.map(() => [])];
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < clients.length; turn++) {
      // Another one begins in each round: what runs first after a pause may have it easier.
      const index = (round + turn) % clients.length;
      const client = clients[index]!;
      const job: Job = { direction: 'store', container: `bench-${turn}-${round}`, folder: source, names };
      store[index]!.push(await speedOf(client, job, services, work));
      const back: Job = { ...job, direction: 'fetch', folder: target };
      fetch[index]!.push(await speedOf(client, back, services, work));
      if (digestOf(target, names) !== expected) throw new Error(`${client.name} fetched other bytes`);
    }
  }
  return {
    work: 'swift',
    title: `Swift, ${files} objects of ${fileBytes / 1e6} MB`,
    contenders: clients.map(({ name }) => name),
    rows: [
      { what: 'store', speeds: store },
      { what: 'fetch', speeds: fetch },
    ],
  };
}
