import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { TundraError } from '../../base/errors.js';
import { sizeText } from '../render/statistics.js';
import type { Terminal } from '../terminal.js';
import { type Command, takeArguments } from './index.js';

const passphrase = 'correct horse battery staple';
const defaultFolder = 'tundra-demo';

/**
 * Shows the main job by running the very commands it prints: a full and an incremental backup of a small tree, encrypted,
 * to a hot and a cold store; then the list, the plan of a thaw, a restore of both times, the comparison, and a drill.
 */
export const demoCommand: Command = async (line, _environment, terminal) => {
  if (line.arguments.length === 0) line.arguments.push(defaultFolder);
  const [given] = takeArguments(line, 'FOLDER') as [string];
  const folder = resolve(given);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new TundraError('command-line', `${folder} is not empty`, {
      advice: 'Give the demo a new or an empty folder: tundra demo FOLDER',
    });
  }
  const demo = new Demo(folder, terminal);
  demo.run();
  return 0;
};

class Demo {
  readonly #folder: string;
  readonly #terminal: Terminal;

  constructor(folder: string, terminal: Terminal) {
    this.#folder = folder;
    this.#terminal = terminal;
  }

  run(): void {
    const path = (name: string) => join(this.#folder, name);
    this.#say(`The demo works in ${this.#folder} and touches nothing else.`);
    this.#prepare();

    const url = `multi://${path('config.json')}?mode=mirror&onfail=abort`;
    const common = [
      '--archive-dir',
      path('archive'),
      '--name',
      'demo',
      '--file-prefix-manifest',
      'hot_',
      '--file-prefix-signature',
      'hot_',
      '--file-prefix-archive',
      'cold_',
    ];
    this.#say('\n1. A full backup: volumes go to the cold store, manifest and signatures to the hot one.');
    this.#tundra([...common, '--volsize', '4', 'full', path('data'), url], treeBytes(path('data')));

    this.#say('\n2. Some files change, one appears, one goes.');
    const before = treeDigest(path('data'));
    this.#change();
    this.#say('   An incremental backup sends only what changed.');
    this.#tundra([...common, '--volsize', '4', 'incremental', path('data'), url], treeBytes(path('data')));

    this.#say('\n3. What there is on the two stores.');
    for (const store of ['hot', 'cold']) this.#showFolder(path(store));
    this.#tundra([...common, 'collection-status', url]);

    this.#say('\n4. The files in the backup (the first lines).');
    this.#tundra([...common, 'list-current-files', url], undefined, 8);

    this.#say('\n5. What one file needs from the cold store, before anything is asked for.');
    this.#tundra([...common, '--path-to-restore', 'photos/image-2.raw', '-v5', 'plan', url]);

    this.#say(
      '\n6. Restore it as it is now, and as it was before the change. The cold store must be asked, and',
    );
    this.#say('   takes 1 to 3 seconds here to thaw a volume; others take hours.');
    const fullTime = this.#firstTime(path('hot'));
    this.#tundra([...common, 'restore', url, path('restored')], treeBytes(path('data')));
    this.#tundra([...common, '--time', fullTime, 'restore', url, path('restored-before')]);

    this.#say('\n7. Compare.');
    this.#tundra([...common, '--compare-data', 'verify', url, path('data')]);
    this.#compare('restored', treeDigest(path('restored')), treeDigest(path('data')), 'the data as it is');
    this.#compare(
      'restored-before',
      treeDigest(path('restored-before')),
      before,
      'the data before the change',
    );

    this.#say(
      '\n8. A drill: some files picked at random are restored and compared, at a price that is chosen.',
    );
    this.#tundra([...common, '--files', '3', '--max-thaw', '20', 'drill', url]);
    this.#say(`\nDone. All of it lies in ${this.#folder}; remove the folder when you have seen enough.`);
  }

  /** Makes the data and the configuration of the stores. */
  #prepare(): void {
    const data = join(this.#folder, 'data');
    mkdirSync(join(data, 'photos'), { recursive: true });
    mkdirSync(join(data, 'notes', '2024'), { recursive: true });
    for (let i = 1; i <= 4; i++) {
      writeFileSync(join(data, 'photos', `image-${i}.raw`), noise(`image ${i}`, 3_000_000));
    }
    for (let i = 1; i <= 300; i++) {
      const text = `Note ${i}\n${`The quick brown fox jumps over the lazy dog ${i * 7919}.\n`.repeat((i % 40) + 1)}`;
      writeFileSync(join(data, 'notes', '2024', `note-${i}.txt`), text);
    }
    writeFileSync(join(data, 'notes', 'Übersicht mit Leerzeichen.txt'), 'names of any bytes survive\n');
    symlinkSync('notes/2024/note-1.txt', join(data, 'latest'));
    const anHourAgo = Date.now() / 1000 - 3600;
    for (const file of files(data)) utimesSync(file, anHourAgo, anHourAgo);
    const stores = ['hot', 'cold'].map((name) => ({
      description: `${name} store`,
      url:
        name === 'hot'
          ? `file://${join(this.#folder, name)}`
          : `cold+file://${join(this.#folder, name)}?thaw=1-3`,
      prefixes: [`${name}_`],
    }));
    writeFileSync(join(this.#folder, 'config.json'), `${JSON.stringify(stores, undefined, 2)}\n`);
  }

  #change(): void {
    const data = join(this.#folder, 'data');
    const image = join(data, 'photos', 'image-2.raw');
    const bytes = readFileSync(image);
    noise('edit', 5000).copy(bytes, 1_500_000);
    writeFileSync(image, bytes);
    for (let i = 10; i <= 20; i++)
      appendFileSync(join(data, 'notes', '2024', `note-${i}.txt`), 'one more line\n');
    writeFileSync(join(data, 'notes', 'new.txt'), 'a new file\n');
    rmSync(join(data, 'notes', '2024', 'note-300.txt'));
  }

  /** Prints a command, runs it, and shows what it printed, how long it took and how fast that is. */
  #tundra(args: string[], sourceBytes?: number, lines?: number): void {
    const program = process.argv[1] as string;
    this.#say(`   $ PASSPHRASE='${passphrase}' ${quote(program)} ${args.map(quote).join(' ')}`);
    const started = process.hrtime.bigint();
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
      // What the user has configured is not for a demo.
      env: { ...process.env, PASSPHRASE: passphrase, XDG_CONFIG_HOME: this.#folder },
      encoding: 'utf8',
    });
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const output = stdout.trimEnd().split('\n');
    for (const text of output.slice(0, lines)) this.#say(`   | ${text}`);
    if (lines !== undefined && output.length > lines)
      this.#say(`   | … and ${output.length - lines} lines more`);
    for (const text of stderr.split('\n').filter(Boolean)) this.#say(`   ! ${text}`);
    if (status !== 0)
      throw new TundraError('unexpected', `the demo stopped: the command above ended with status ${status}`);
    const speed =
      sourceBytes === undefined ? '' : `, ${sizeText(sourceBytes / seconds)} of source data a second`;
    this.#say(`   (${seconds.toFixed(2)} s${speed})`);
  }

  #showFolder(folder: string): void {
    this.#say(`   ${folder}:`);
    for (const name of readdirSync(folder).sort()) {
      if (name.startsWith('.')) continue;
      this.#say(`   | ${name}  ${sizeText(statSync(join(folder, name)).size)}`);
    }
  }

  /** The time of the full backup, as its manifest's name has it. */
  #firstTime(hot: string): string {
    const manifest = readdirSync(hot).find((name) => /duplicity-full\..*\.manifest/.test(name)) ?? '';
    return manifest.replace(/.*duplicity-full\.([^.]+)\..*/, '$1');
  }

  #compare(name: string, actual: string, expected: string, what: string): void {
    if (actual !== expected) throw new TundraError('unexpected', `${name} differs from ${what}`);
    this.#say(
      `   ${name} is identical with ${what} (SHA-256 over all names and contents ${actual.slice(0, 16)}…)`,
    );
  }

  #say(text: string): void {
    this.#terminal.out(text);
  }
}

/** Bytes that do not compress, the same in every run. */
function noise(seed: string, sizeBytes: number): Buffer {
  const block = createHash('sha512').update(seed).digest();
  const pieces: Buffer[] = [];
  for (let at = 0, last = block; at < sizeBytes; at += last.length) {
    last = createHash('sha512').update(last).digest();
    pieces.push(last);
  }
  return Buffer.concat(pieces).subarray(0, sizeBytes);
}

function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function files(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function treeBytes(root: string): number {
  return files(root).reduce((sum, file) => sum + statSync(file).size, 0);
}

function treeDigest(root: string): string {
  const digest = createHash('sha256');
  for (const file of files(root)) {
    digest
      .update(`${relative(root, file)}\0`)
      .update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return digest.digest('hex');
}
