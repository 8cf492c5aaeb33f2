import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs } from '../peers.js';
import { type PcaControl, pcaControl } from './pca-control.js';

/** What the services need; for `needs()`. */
export const openStackPeers = ['swift', 'keystone', 'memcached'] as const;

/** Where the test runner leaves a description of the services that it has started. */
export const openStackVariable = 'TUNDRA_OPENSTACK';

/** A request that Swift's proxy or Keystone has answered. */
export interface AnsweredRequest {
  service: 'swift' | 'keystone';
  timeMs: number;
  method: string;
  path: string;
  query: string;
  agent: string;
  status: number;
}

/** A real Swift and a real Keystone on loopback. */
export interface OpenStack {
  /** `http://127.0.0.1:PORT/v3` */
  keystoneUrl: string;
  /** `http://127.0.0.1:PORT` */
  swiftUrl: string;
  /** Auth version 1, by tempauth. */
  tempAuthUrl: string;
  region: string;
  /**
   * Environment variables for an account, as the backends read them. The accounts share nothing: other projects, other
   * users; and those of auth version 1 are others than those of version 3.
   */
  environment(prefix: 'SWIFT' | 'PCA', version: 1 | 3, account?: 'first' | 'second'): Record<string, string>;
  /** What Swift's proxy has answered so far; with the name of a container, only what concerns it and its objects. */
  requests(container?: string): AnsweredRequest[];
  /** How often clients asked for a token (all tests together), by Keystone or tempauth. */
  tokenRequests(): number;
  /** The stand-in for Public Cloud Archive, which holds the containers of the storage policy PCA. */
  pca: PcaControl;
}

interface Account {
  username: string;
  userId: string;
  password: string;
  projectId: string;
  projectName: string;
}

/** Plain data: what one process tells another about running services. */
interface Description {
  keystoneUrl: string;
  swiftUrl: string;
  tempAuthUrl: string;
  requestLog: string;
  region: string;
  accounts: Record<'first' | 'second', Account>;
}

/** Services of one's own, and how to end them. */
export interface PrivateOpenStack extends OpenStack {
  /** For the variable that hands it to other processes. */
  description: string;
  stop(): Promise<void>;
}

function environment(
  description: Description,
  prefix: 'SWIFT' | 'PCA',
  version: 1 | 3,
  accountName: 'first' | 'second',
): Record<string, string> {
  const account = description.accounts[accountName];
  if (version === 1) {
    return {
      [`${prefix}_AUTHURL`]: description.tempAuthUrl,
      [`${prefix}_AUTHVERSION`]: '1',
      [`${prefix}_USERNAME`]: `${account.username}:user`,
      [`${prefix}_PASSWORD`]: account.password,
    };
  }
  return {
    [`${prefix}_AUTHURL`]: description.keystoneUrl,
    [`${prefix}_AUTHVERSION`]: '3',
    [`${prefix}_PROJECT_DOMAIN_NAME`]: 'Default',
    [`${prefix}_TENANTID`]: account.projectId,
    [`${prefix}_USERNAME`]: account.username,
    [`${prefix}_PASSWORD`]: account.password,
    [`${prefix}_REGIONNAME`]: description.region,
  };
}

function readRequests(description: Description): AnsweredRequest[] {
  const lines = readFileSync(description.requestLog, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as AnsweredRequest);
}

function isTokenRequest({ service, method, path, agent }: AnsweredRequest): boolean {
  if (service === 'swift') return path.startsWith('/auth/');
  // Swift's own proxy is a client of Keystone too.
  return method === 'POST' && path === '/v3/auth/tokens' && !agent.startsWith('keystonemiddleware');
}

function describe(text: string): OpenStack {
  const description = JSON.parse(text) as Description;
  const { keystoneUrl, swiftUrl, tempAuthUrl, region } = description;
  return {
    keystoneUrl,
    swiftUrl,
    tempAuthUrl,
    region,
    environment: (prefix, version, account = 'first') => environment(description, prefix, version, account),
    requests: (container) =>
      readRequests(description).filter(
        ({ service, path }) =>
          service === 'swift' &&
          (container === undefined ? path !== '/pca' : path.split('/')[3] === container),
      ),
    tokenRequests: () => readRequests(description).filter(isTokenRequest).length,
    pca: pcaControl(swiftUrl),
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  const ended = once(child, 'exit');
  child.stdin?.end();
  await ended;
}

/**
 * Starts services of one's own; the packages must be there. They end with `stop()`, or with this process, however that
 * ends; until then they do not keep it alive. `tokenLifeSeconds`: how long a token is good for.
 */
export async function startOpenStack({ tokenLifeSeconds = 3600 } = {}): Promise<PrivateOpenStack> {
  const program = fileURLToPath(new URL('../../../test/services/cloud.py', import.meta.url));
  // Debian's own Python, which sees Debian's packages; in a session of its own, so that ^C leaves the order of stopping to us.
  const child = spawn('/usr/bin/python3', ['-B', program, JSON.stringify({ tokenLifeSeconds })], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const lines = createInterface({ input: child.stdout });
  const description = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`OpenStack did not start (${code ?? signal})`)));
    lines.once('line', resolve);
  });
  lines.close();
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) (pipe as unknown as { unref(): void }).unref();
  return { ...describe(description), description, stop: () => stop(child) };
}

let own: Promise<PrivateOpenStack> | undefined;

/**
 * The services that the test runner has started for the whole run, or, in a test file that is run by itself, one's own.
 * Where packages are missing the test is skipped, or fails with `TUNDRA_REQUIRE=all`.
 */
export async function openStack(t: TestContext): Promise<OpenStack | undefined> {
  const description = process.env[openStackVariable];
  if (description) return describe(description);
  if (!needs(t, ...openStackPeers)) return undefined;
  own ??= startOpenStack();
  return await own;
}
