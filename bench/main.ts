import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../test/trees/writer.js';
import { readOptions } from './options.js';
import { type Findings, jsonReport, machineFacts, markdownReport, textReport } from './report.js';
import { runRounds } from './rounds.js';
import { buildTree } from './tree.js';

async function main(): Promise<number> {
  const options = readOptions();
  const versions = new Map(options.tools.map((tool) => [tool, tool.version()]));
  const present = options.tools.filter((tool) => versions.get(tool) !== undefined);
  const missing = options.tools.filter((tool) => !present.includes(tool)).map(({ name }) => name);
  for (const name of missing) progress(`${name} is not installed: left out`);
  if (present.length === 0) throw new Error('none of the tools is installed');

  mkdirSync(options.work, { recursive: true });
  const work = mkdtempSync(join(options.work, 'tundra-bench-'));
  const cleanUp = () => {
    if (options.keep) progress(`left in ${work}`);
    else removeTree(work);
  };
  process.once('SIGINT', () => {
    cleanUp();
    process.exit(130);
  });
  try {
    progress('building the tree');
    const source = join(work, 'tree');
    const files = buildTree(source, options);
    const changes = {
      smallChanges: Math.min(500, Math.ceil(files.length / 10)),
      largeChanges: Math.min(15, Math.ceil(files.length / 1000)),
    };
    const findings: Findings = {
      sealing: options.sealing,
      rounds: options.rounds,
      tree: {
        files: files.length,
        sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
        ...changes,
      },
      versions: Object.fromEntries(present.map((tool) => [tool.name, versions.get(tool) ?? ''])),
      missing,
      runs: [],
      storedMb: {},
      failures: [],
      machine: machineFacts(work),
    };
    await runRounds(findings, present, { ...options, work, source, files, ...changes }, progress);
    console.log(textReport(findings, present));
    if (options.json) writeFileSync(options.json, jsonReport(findings));
    if (options.markdown) writeFileSync(options.markdown, markdownReport(findings, present));
    return findings.failures.length === 0 ? 0 : 1;
  } finally {
    cleanUp();
  }
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
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
