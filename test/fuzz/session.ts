/**
 * The process that runs cases, one after the other, in which a parser may hang or die: `driver.ts` starts it, watches
 * it, and goes on behind a case that ended it. What it has to tell goes to standard output, a line of JSON each
 * (`SessionLine`); the case under way is always in a file, so that it outlives the process.
 */
import { closeSync, openSync, readdirSync, readFileSync, writevSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { messageOf, TundraError } from '../../src/base/errors.js';
import { mutate, wordMutation } from './mutate.js';
import { Random, seedOf } from './random.js';
import { replayedCase, type SessionLine, type SessionOrder } from './session-order.js';
import type { FuzzTarget } from './target.js';
import { loadTarget } from './targets/index.js';

/** Inputs with an outcome of their own that are kept to be mutated further. */
const mostKept = 400;

class Session {
  readonly #order: SessionOrder;
  readonly #target: FuzzTarget;
  readonly #current: number;
  readonly #outcomes = new Set<string>();
  #caseNumber = 0;
  #input: Buffer = Buffer.alloc(0);
  #isRunning = false;

  constructor(order: SessionOrder, target: FuzzTarget) {
    this.#order = order;
    this.#target = target;
    this.#current = openSync(order.currentPath, 'w');
    process.on('unhandledRejection', (error) => this.#found('an unhandled rejection', error));
    process.on('uncaughtException', (error) => this.#found('an uncaught exception', error));
    process.on('exit', () => {
      // Nothing is left that could ever settle the promise.
      if (this.#isRunning) this.#found('a promise that never settles', undefined);
    });
  }

  async run(): Promise<void> {
    const { seed, firstCase, endCase, forMs, replay } = this.#order;
    const openBefore = openFiles();
    for (const path of replay) await this.#case(replayedCase, readFileSync(path));
    const pool = firstCase < endCase ? await this.#target.samples() : [];
    const own = [
      ...(this.#target.mutations ?? []),
      ...(this.#target.words === undefined ? [] : [wordMutation(this.#target.words)]),
    ];
    const mostBytes = this.#target.mostBytes ?? 65_536;
    const samples = pool.length;
    const end = Date.now() + forMs;
    let next = firstCase;
    for (; next < endCase && Date.now() < end; next++) {
      const random = new Random(seedOf(seed, next));
      // Samples as they are come first, and now and then one is taken rather than what became of it.
      let input = next < samples ? pool[next]! : random.pick(random.oneIn(3) ? pool.slice(0, samples) : pool);
      if (next >= samples) {
        input = mutate(input, random, random.pick(pool), own, mostBytes);
        if (this.#target.mend !== undefined && !random.oneIn(5)) input = this.#target.mend(input, random);
      }
      const isNew = await this.#case(next, input);
      if (isNew && next >= samples) {
        if (pool.length < samples + mostKept) pool.push(input);
        else pool[samples + random.below(mostKept)] = input;
      }
    }
    await this.#target.close?.();
    await nextTurn();
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    const { user, system } = process.cpuUsage();
    tell({
      kind: 'end',
      nextCase: next,
      peakBytes,
      outcomes: this.#outcomes.size,
      openFiles: openFiles() - openBefore,
      cpuMs: (user + system) / 1000,
    });
    closeSync(this.#current);
  }

  /** Whether its outcome is a new one. */
  async #case(caseNumber: number, input: Buffer): Promise<boolean> {
    this.#caseNumber = caseNumber;
    this.#input = input;
    const head = Buffer.alloc(8);
    head.writeUInt32LE(caseNumber, 0);
    head.writeUInt32LE(input.length, 4);
    writevSync(this.#current, [head, input], 0);
    this.#isRunning = true;
    const outcome = await this.#outcomeOf(input);
    // Rejections that nobody handles are told of between turns.
    await nextTurn();
    this.#isRunning = false;
    if (process.resourceUsage().maxRSS * 1024 > this.#order.memoryLimitBytes) {
      tell({ kind: 'too much memory', caseNumber, input: input.toString('base64') });
      process.exit(1);
    }
    const isNew = !this.#outcomes.has(outcome);
    if (this.#outcomes.size < 20_000) this.#outcomes.add(outcome);
    return isNew;
  }

  async #outcomeOf(input: Buffer): Promise<string> {
    try {
      // Seeded by the input: the file alone makes a case happen again.
      return `fine ${String(await this.#target.run(Buffer.from(input), new Random(crc32(input))))}`;
    } catch (error) {
      if (error instanceof TundraError) return `${error.code} ${plain(error.message)}`;
      this.#found('an error that is no TundraError', error);
      return 'finding';
    }
  }

  #found(what: string, error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    const told = error === undefined ? what : `${what}: ${messageOf(error)}`;
    const input = this.#input.toString('base64');
    tell({ kind: 'finding', caseNumber: this.#caseNumber, what: told, stack, input });
  }
}

/** A message without what differs from one input to the next. */
function plain(message: string): string {
  return message
    .replace(/[0-9]+/g, '0')
    .replace(/"[^"]*"|[^ -~]+/g, '_')
    .slice(0, 60);
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function tell(line: SessionLine): void {
  // Not through the stream: it must be out before the process hangs or ends.
  writevSync(1, [Buffer.from(`${JSON.stringify(line)}\n`)]);
}

const order = JSON.parse(process.argv[2] ?? '') as SessionOrder;
await new Session(order, await loadTarget(order.target)).run();
process.exit();
