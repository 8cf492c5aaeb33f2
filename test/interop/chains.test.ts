/**
 * Chains that duplicity and tundra write and read for one another: restored, verified and listed by the other one, at
 * every time, for each sealing.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needs } from '../peers.js';
import { compareTrees, describeTree } from '../trees/describe.js';
import { evolve, lastStep } from '../trees/evolve.js';
import { oddTree } from '../trees/odd-tree.js';
import { otherTool, type Sealing, sealingOf, type Tool, Workshop } from './programs.js';

const isRoot = process.geteuid?.() === 0;
const startSeconds = 1_700_000_000;

/** Who writes the full set and each incremental one. */
const writerPlans: readonly (readonly Tool[])[] = [
  ['tundra'],
  ['duplicity'],
  ['tundra', 'tundra', 'tundra', 'tundra'],
  ['duplicity', 'duplicity', 'duplicity', 'duplicity'],
  ['tundra', 'duplicity', 'tundra', 'duplicity'],
];

for (const sealingName of ['plain', 'gzip', 'passphrase', 'public key', 'public key and signature']) {
  describe(`interop, ${sealingName}`, () => {
    for (const writers of writerPlans) {
      it(`written by ${writers.join(', ')}`, async (t) => {
        if (!needs(t, 'duplicity', 'gpg')) return;
        const workshop = new Workshop();
        try {
          await new Chain(workshop, sealingOf(sealingName, workshop)).check(writers);
        } finally {
          workshop.dispose();
        }
      });
    }
  });
}

class Chain {
  readonly #workshop: Workshop;
  readonly #sealing: Sealing;
  readonly #source: string;
  readonly #url: string;

  constructor(workshop: Workshop, sealing: Sealing) {
    this.#workshop = workshop;
    this.#sealing = sealing;
    this.#source = workshop.path('source');
    this.#url = `file://${workshop.path('store')}`;
  }

  /** Writes a chain and has both tools restore, verify and list it. */
  async check(writers: readonly Tool[]): Promise<void> {
    const states = [];
    for (const [step, writer] of writers.entries()) {
      if (step === 0) await oddTree(this.#source, { root: isRoot });
      else evolve(this.#source, step);
      states.push(describeTree(this.#source));
      const mode = step === 0 ? 'full' : 'incremental';
      await this.#run(writer, [
        '--current-time',
        String(startSeconds + step * 1000),
        '--volsize',
        '1',
        mode,
        this.#source,
        this.#url,
      ]);
    }
    assert.ok(writers.length - 1 <= lastStep);
    // A chain of one tool is for the other one to read; a mixed one for both.
    const readers: Tool[] =
      new Set(writers).size > 1 ? ['tundra', 'duplicity'] : [otherTool[writers[0] as Tool]];
    for (const reader of readers) {
      for (const [step, state] of states.entries()) {
        // The states between the first and the last are left to the mixed chains.
        if (step !== 0 && step !== states.length - 1 && readers.length === 1) continue;
        await this.#checkRestore(reader, step, state);
      }
      const verified = await this.#run(reader, ['verify', '--compare-data', this.#url, this.#source]);
      assert.match(verified.stdout, /, 0 differences found/);
      await this.#checkList(reader, states.at(-1) as Map<string, string>);
    }
  }

  async #checkRestore(reader: Tool, step: number, state: Map<string, string>): Promise<void> {
    const target = this.#workshop.path(`restored-by-${reader}-${step}`);
    const time = String(startSeconds + step * 1000);
    await this.#run(reader, ['--time', time, 'restore', this.#url, target]);
    assert.deepEqual(compareTrees(state, describeTree(target)), [], `${reader} restored step ${step}`);
  }

  async #checkList(reader: Tool, state: Map<string, string>): Promise<void> {
    const { stdout } = await this.#run(reader, ['list-current-files', this.#url]);
    const listed = new Set<string>();
    // Names may hold newlines: an entry begins with a time.
    for (const entry of stdout.split(/^(?=(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} )/m)) {
      const path = /^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} ([\s\S]*)\n$/.exec(entry)?.[1];
      if (path !== undefined) listed.add(path);
    }
    const missing = [...state.keys()].filter((path) => isValidUtf8(path) && !listed.has(path));
    assert.deepEqual(missing, [], `listed by ${reader}`);
    assert.equal(listed.size, state.size, `entries listed by ${reader}`);
  }

  #run(tool: Tool, args: string[]) {
    const archive = this.#workshop.path('archive');
    return this.#workshop.run(tool, this.#sealing, ['--archive-dir', archive, '--name', 'chain', ...args]);
  }
}

/** The peer prints other names with replacements. */
function isValidUtf8(bytes: string): boolean {
  const buffer = Buffer.from(bytes, 'latin1');
  return Buffer.from(buffer.toString('utf8'), 'utf8').equals(buffer);
}
