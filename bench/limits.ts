import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareTrees, describeTree } from '../test/trees/describe.js';
import { removeTree } from '../test/trees/writer.js';
import { type Case, largeFile, longChain, manyFiles } from './limit-cases.js';
import { type Measurement, measure } from './measure.js';
import { renderText } from './table.js';
import {
  duplicityLike,
  type Ground,
  type Operation,
  type Sealing,
  stopAgents,
  type Tool,
  tundraProgram,
} from './tools.js';

const usage = `node dist/bench/limits.js [options]
Shows that memory stays under a bar however much there is to back up; ends with 1 if it does not.
  --cases files,chain,large   only these (default all)
  --files N       case files: so many small files (default 300000)
  --sets N        case chain: so many incremental sets (default 100)
  --file-mb N     case large: one file of so many MiB, nearly all holes (default 5120)
  --bar-mb N      the bar (default 200)
  --sealing gzip  without encryption (default passphrase)
  --work DIR      where to work (default the system's folder for temporary files)
  --program FILE  measure another program with duplicity's command line
  --no-check      do not compare what was restored with the source`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: 'files,chain,large' },
      files: { type: 'string', default: '300000' },
      sets: { type: 'string', default: '100' },
      'file-mb': { type: 'string', default: '5120' },
      'bar-mb': { type: 'string', default: '200' },
      sealing: { type: 'string', default: 'passphrase' },
      work: { type: 'string', default: tmpdir() },
      program: { type: 'string', default: tundraProgram },
      'no-check': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  if (values.sealing !== 'passphrase' && values.sealing !== 'gzip')
    throw new Error('--sealing knows passphrase, gzip');
  const known = [
    manyFiles(Number(values.files)),
    longChain(Number(values.sets)),
    largeFile(Number(values['file-mb'])),
  ];
  const cases = values.cases.split(',').map((name) => {
    const found = known.find((each) => each.name === name);
    if (!found) throw new Error(`--cases knows files, chain, large, not ${name}`);
    return found;
  });
  const sealing: Sealing = values.sealing;
  const tool = duplicityLike('tundra', values.program);
  return {
    cases,
    tool,
    sealing,
    barMb: Number(values['bar-mb']),
    work: resolve(values.work),
    check: !values['no-check'],
  };
}

/** What an operation took: of many runs, the worst. */
interface Worst {
  operation: Operation;
  runs: number;
  seconds: number;
  peakMb: number;
}

/** Backs a case up, restores and verifies it. Every restore is compared with the source. */
async function runCase(
  one: Case,
  tool: Tool,
  sealing: Sealing,
  work: string,
  check: boolean,
): Promise<Worst[]> {
  const ground: Ground = {
    source: join(work, 'source'),
    folder: join(work, 'tool'),
    target: join(work, 'restored'),
    oneFile: '',
    sealing,
  };
  const results: Worst[] = [];
  const run = async (operation: Operation) => {
    // Sets are named by whole seconds: two of them must not fall into one.
    await new Promise((later) => setTimeout(later, 1100));
    addRun(results, operation, await measure(tool.command(operation, ground), work));
  };
  mkdirSync(ground.folder);
  tool.prepare(ground);
  one.make(ground.source);
  await run('full');
  for (let set = 1; set <= one.sets; set++) {
    one.change(ground.source, set);
    await run('changed');
  }
  for (const operation of ['list', 'verify', 'restore'] as const) await run(operation);
  if (check) {
    const differences = compareTrees(describeTree(ground.source), describeTree(ground.target));
    if (differences.length > 0) throw new Error(`restored wrongly:\n${differences.slice(0, 10).join('\n')}`);
  }
  return results;
}

function addRun(results: Worst[], operation: Operation, { seconds, peakMb }: Measurement): void {
  const worst = results.find((each) => each.operation === operation);
  if (!worst) {
    results.push({ operation, runs: 1, seconds, peakMb });
    return;
  }
  worst.runs++;
  worst.seconds = Math.max(worst.seconds, seconds);
  worst.peakMb = Math.max(worst.peakMb, peakMb);
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options.tool.version() === undefined) throw new Error('the program cannot be run: build it first');
  mkdirSync(options.work, { recursive: true });
  const rows = [['', 'operation', 'runs', 'slowest s', 'peak MB', '']];
  let above = false;
  for (const one of options.cases) {
    const work = mkdtempSync(join(options.work, 'tundra-limits-'));
    try {
      process.stderr.write(`${one.description} ...\n`);
      for (const worst of await runCase(one, options.tool, options.sealing, work, options.check)) {
        const { operation, runs, seconds, peakMb } = worst;
        const verdict = peakMb > options.barMb ? `above ${options.barMb}` : 'ok';
        above ||= peakMb > options.barMb;
        const name = operation === 'changed' ? 'incremental' : operation;
        rows.push([one.description, name, String(runs), seconds.toFixed(2), peakMb.toFixed(0), verdict]);
      }
    } finally {
      stopAgents([join(work, 'tool')]);
      removeTree(work);
    }
  }
  console.log(renderText(rows));
  return above ? 1 : 0;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 2;
  },
);
