/**
 * The guide for cold storage works word for word: its configuration and its commands are taken out of
 * docs/cold-storage.md, nothing but addresses, credentials, paths and file names is replaced, and they are run.
 *
 * Blocks of the guide are found by what stands behind their fence: `json config`; `sh guide`, with `status=75` where it
 * ends with another status than 0; `sh guide settings` for what holds for all that follow; `json rehearsal` and
 * `sh rehearsal`.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parsePrices } from '../../src/config/prices.js';
import { changeSmallTree, smallTree } from '../cli/small-tree.js';
import { tundraProgram } from '../cli/trial.js';
import { type Outcome, runProgram, type Tool, Workshop } from '../interop/programs.js';
import { needs } from '../peers.js';
import { type OpenStack, openStack } from '../services/openstack.js';
import { compareTrees, describeTree } from '../trees/describe.js';

const docs = fileURLToPath(new URL('../../../docs', import.meta.url));

/** A fenced block of the guide. */
interface Block {
  /** What stands behind its fence. */
  words: string[];
  text: string;
}

const blocks: Block[] = [
  ...readFileSync(join(docs, 'cold-storage.md'), 'utf8').matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm),
].map(([, words = '', text = '']) => ({ words: words.split(' '), text }));

function blocksOf(...words: string[]): Block[] {
  return blocks.filter((block) => words.every((word) => block.words.includes(word)));
}

function theBlock(...words: string[]): Block {
  const [block, ...others] = blocksOf(...words);
  assert.ok(block !== undefined && others.length === 0, `the guide has one block: ${words.join(' ')}`);
  return block;
}

/** The command of a block. */
function verbOf({ text }: Block): string {
  return (
    /\b(full|incremental|collection-status|list-current-files|plan|thaw|restore)\b/.exec(text)?.[1] ?? ''
  );
}

const settings = blocksOf('guide', 'settings');
const commands = blocksOf('guide').filter((block) => !settings.includes(block));

function commandOf(verb: string): Block {
  const found = commands.find((block) => verbOf(block) === verb);
  assert.ok(found, `the guide has the command ${verb}`);
  return found;
}

interface RunOptions {
  /** Another tool than tundra: the word is replaced, as the guide says. */
  tool?: Tool;
  /** On a machine that has no local archive yet. */
  newMachine?: boolean;
}

/** A machine on which somebody follows the guide. */
class Machine {
  readonly #workshop = new Workshop();
  /** What stands for names of the guide. */
  readonly #names: Record<string, string>;
  #homes = 0;
  #targets = 0;
  /** Where the last restore went. */
  target = '';

  constructor(t: TestContext) {
    t.after(() => this.#workshop.dispose());
    const bin = this.#path('bin');
    for (const name of ['bin', 'etc', 'data', 'hot', 'cold']) mkdirSync(this.#path(name));
    symlinkSync(tundraProgram, join(bin, 'tundra'));
    writeFileSync(this.#path('etc/passphrase'), 'a passphrase with spaces & signs\n');
    this.#names = {
      '/etc/tundra': this.#path('etc'),
      '/srv/data': this.source,
      '/srv/cold': this.#path('cold'),
      '/srv/hot': this.#path('hot'),
      'thaw=5-20': 'thaw=0.1-1',
    };
  }

  get source(): string {
    return this.#path('data');
  }

  #path(name: string): string {
    return this.#workshop.path(name);
  }

  #adapted(text: string, names: Record<string, string>): string {
    return Object.entries(names).reduce((adapted, [name, own]) => adapted.replaceAll(name, own), text);
  }

  /** Writes a configuration of the guide. */
  configure(block: Block, file: string, names: Record<string, string> = {}): void {
    const text = this.#adapted(block.text, { ...this.#names, ...names });
    assert.doesNotMatch(text, /<|ovh/, 'all is replaced that must be');
    const path = this.#path(`etc/${file}`);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
  }

  /** Runs a block as it stands in the guide. */
  async run(block: Block, { tool = 'tundra', newMachine = false }: RunOptions = {}): Promise<Outcome> {
    if (newMachine) this.#homes++;
    this.target = this.#path(`restored-${this.#targets++}`);
    const names = { ...this.#names, '/srv/restored': this.target, '/srv/rehearsed': this.target };
    const script = this.#adapted([...settings, block].map(({ text }) => text).join(''), names);
    const { environment } = this.#workshop;
    const home = this.#path(`home-${this.#homes}`);
    mkdirSync(home, { recursive: true });
    const outcome = await runProgram('/bin/sh', ['-euc', script.replaceAll(/^tundra /gm, `${tool} `)], {
      ...environment,
      PATH: `${this.#path('bin')}:${environment.PATH}`,
      HOME: home,
    });
    const expected = Number(block.words.find((word) => word.startsWith('status='))?.slice(7) ?? 0);
    const { status, stdout, stderr } = outcome;
    assert.equal(status, expected, `${script}\n${stdout}\n${stderr}`);
    return outcome;
  }

  /** The last restore brought back the source. */
  checkRestored(): void {
    assert.deepEqual(compareTrees(describeTree(this.source), describeTree(this.target)), []);
  }
}

/** A machine with the guide's configuration for its own containers. */
function machineFor(t: TestContext, { environment, keystoneUrl }: OpenStack) {
  const machine = new Machine(t);
  const suffix = randomBytes(6).toString('hex');
  const [cold, hot] = [`cold-${suffix}`, `hot-${suffix}`];
  const env = environment('PCA', 3);
  machine.configure(theBlock('json', 'config'), 'config.json', {
    'https://auth.cloud.ovh.net/v3': keystoneUrl,
    duplicity_cold: cold,
    duplicity_hot: hot,
    '<project id>': env.PCA_TENANTID!,
    '<user>': env.PCA_USERNAME!,
    '<password>': env.PCA_PASSWORD!,
    '<region>': env.PCA_REGIONNAME!,
  });
  smallTree(machine.source);
  return { machine, cold, hot };
}

async function servicesFor(t: TestContext): Promise<OpenStack | undefined> {
  if (!needs(t, 'duplicity', 'gpg', 'swiftclient')) return undefined;
  return openStack(t);
}

test('the guide works word for word, and duplicity restores what it made', async (t) => {
  const services = await servicesFor(t);
  if (services === undefined) return;
  const { pca } = services;
  const { machine, cold, hot } = machineFor(t, services);
  await pca.rules(cold, { thawSeconds: [1, 2], unsealedSeconds: 600 });
  const thawed = async () => (await pca.gets(cold)).filter(({ started }) => started).length;

  const outputs = new Map<string, string>();
  for (const block of commands) {
    const verb = verbOf(block);
    if (verb === 'incremental') changeSmallTree(machine.source);
    outputs.set(verb, (await machine.run(block)).stdout);
    if (verb !== 'thaw' && verb !== 'restore') assert.deepEqual(await pca.gets(cold), [], verb);
  }
  assert.deepEqual(
    [...outputs.keys()],
    ['full', 'incremental', 'collection-status', 'list-current-files', 'plan', 'thaw', 'restore'],
  );
  machine.checkRestored();
  assert.equal(await thawed(), 2, 'thaw asked for both volumes, and restore for none again');
  assert.match(outputs.get('collection-status')!, /Number of contained backup sets: 2$/m);
  assert.match(outputs.get('list-current-files')!, / sub\/new$/m);
  assert.match(outputs.get('plan')!, /^Volumes needed: 2 /m);
  assert.match(outputs.get('plan')!, /^ {2}sealed {8}2 /m);
  assert.match(outputs.get('thaw')!, /^ {2}thawing {7}2 /m);

  const stored = services.requests().filter(({ method, status }) => method === 'PUT' && status === 201);
  const namesIn = (container: string) =>
    stored.map(({ path }) => path.split('/')).filter((path) => path[3] === container && path.length > 4);
  assert.ok(namesIn(cold).every(([, , , , name]) => /^cold_.*\.vol\d+\.difftar\.gpg$/.test(name!)));
  assert.ok(namesIn(hot).every(([, , , , name]) => /^hot_.*\.(manifest|sigtar)\.gpg$/.test(name!)));
  assert.deepEqual([namesIn(cold).length, namesIn(hot).length], [2, 4]);

  // Its restore of a sealed volume would sleep for a minute.
  await pca.unseal(cold);
  await machine.run(commandOf('restore'), { tool: 'duplicity', newMachine: true });
  machine.checkRestored();
});

test('what duplicity wrote with the configuration of the guide is gone on with and restored', async (t) => {
  const services = await servicesFor(t);
  if (services === undefined) return;
  const { pca } = services;
  const { machine, cold } = machineFor(t, services);
  await pca.rules(cold, { thawSeconds: [1, 2], unsealedSeconds: 600 });

  await machine.run(commandOf('full'), { tool: 'duplicity' });
  changeSmallTree(machine.source);
  await machine.run(commandOf('incremental'), { tool: 'duplicity' });
  writeFileSync(join(machine.source, 'sub/later'), 'later\n');
  await machine.run(commandOf('incremental'));
  assert.deepEqual(await pca.gets(cold), []);
  await machine.run(commandOf('restore'), { newMachine: true });
  machine.checkRestored();
  const started = (await pca.gets(cold)).filter((get) => get.started).map(({ object }) => object);
  assert.equal(started.length, 3, started.join(' '));
  assert.equal(new Set(started).size, 3, 'none was asked for twice');
});

test('the rehearsal of the guide needs no account', async (t) => {
  const machine = new Machine(t);
  machine.configure(theBlock('json', 'rehearsal'), 'rehearsal.json');
  smallTree(machine.source);
  const { stdout } = await machine.run(theBlock('sh', 'rehearsal'));
  assert.match(stdout, /^ {2}sealed {8}1 /m);
  machine.checkRestored();
});

test('the price table of the guide can be read, and nobody takes its numbers for real', () => {
  const path = join(docs, 'prices.example.json');
  const { currency, classes } = parsePrices(readFileSync(path, 'utf8'), path);
  assert.equal(currency, 'EXAMPLE');
  assert.ok(classes.has('pca'));
});
