import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../test/trees/writer.js';
import { judge } from './bars.js';
import { benchTree } from './courses/bench-tree.js';
import { kernels } from './courses/kernels.js';
import { largeFile } from './courses/large-file.js';
import { memory } from './courses/memory.js';
import { photos } from './courses/photos.js';
import { start } from './courses/start.js';
import { swift } from './courses/swift.js';
import { type Findings, medians, mergeFindings, noFindings } from './findings.js';
import { machineFacts } from './machine.js';
import { type Options, readOptions, usage } from './options.js';
import { writeDocument } from './report/document.js';
import { textReport } from './report/text.js';
import type { Stage } from './stage.js';
import { type Tool, tools, versionOf } from './tools.js';
import { type Course, type WorkName, works } from './works.js';

const courses: Readonly<Record<Course, (stage: Stage) => Promise<void>>> = {
  tree: benchTree,
  photos,
  'large-file': largeFile,
  start,
  kernels,
  swift,
  memory,
};

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const earlier = options.from.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Findings);
  const findings = options.works.size > 0 ? await measureAll(options, earlier) : mergeAll(earlier);
  console.log(textReport(findings));
  if (options.json) writeJson(options.json, findings);
  if (options.markdown) writeDocument(options.markdown, findings);
  return findings.failures.length === 0 ? 0 : 1;
}

/** Takes every course that a work was asked of. */
async function measureAll(options: Options, earlier: readonly Findings[]): Promise<Findings> {
  mkdirSync(options.work, { recursive: true });
  const work = mkdtempSync(join(options.work, 'tundra-bench-'));
  const cleanUp = () => {
    if (options.keep) progress(`left in ${work}`);
    else removeTree(work);
  };
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      cleanUp();
      process.exit(status);
    });
  }
  try {
    const findings = noFindings(machineFacts(work));
    const present = presentTools(options, findings);
    findings.reduced = works.map(({ name }) => name).filter((name) => isReduced(name, options));
    const asked = new Set(works.filter(({ name }) => options.works.has(name)).map(({ course }) => course));
    for (const course of asked) {
      const folder = join(work, course);
      mkdirSync(folder);
      try {
        await courses[course]({ options, tools: present, folder, findings, progress });
      } catch (error) {
        // The others still have something to tell.
        findings.failures.push(`${course}: ${error instanceof Error ? error.message : error}`);
      }
      if (!options.keep) removeTree(folder);
      if (options.json) writeJson(options.json, mergeAll([findings, ...earlier]));
    }
    return mergeAll([findings, ...earlier]);
  } finally {
    cleanUp();
  }
}

/** The tools that are there, with their versions kept. */
function presentTools(options: Options, findings: Findings): Tool[] {
  for (const name of options.tools ?? []) {
    if (!tools.some((tool) => tool.name === name)) {
      throw new Error(`--tools knows ${tools.map((tool) => tool.name).join(', ')}, not ${name}`);
    }
  }
  const asked = tools.filter(({ name }) => options.tools?.includes(name) ?? true);
  for (const { name, version } of asked) {
    const found = version();
    if (found === undefined) progress(`${name} is not installed: left out`);
    else findings.versions[name] = found;
  }
  const present = asked.filter(({ name }) => name in findings.versions);
  if (present.length === 0) throw new Error('none of the tools is installed');
  for (const program of ['rdiff', 'gpg']) {
    const version = options.works.has('kernels') ? versionOf(program) : undefined;
    if (version !== undefined) findings.versions[program] = version;
  }
  return present;
}

/** Whether a work has less to do than the bars are for. */
function isReduced(work: WorkName, options: Options): boolean {
  const course = works.find(({ name }) => name === work)!.course;
  switch (course) {
    case 'tree':
      return options.sizeBytes < 1e9 || options.files < 57_000;
    case 'photos':
      return options.photosBytes < 1e9;
    case 'large-file':
      return options.largeBytes < 10e9;
    case 'memory':
      return options.manyFiles < 1e6 || options.sets < 100 || options.holesBytes < 5e9;
    default:
      return false;
  }
}

/** One after the other has what those before it have not. */
function mergeAll(all: readonly Findings[]): Findings {
  const [first, ...others] = all;
  if (first === undefined)
    throw new Error('there is nothing to report: name a work, or an earlier run with --from');
  return others.reduce(mergeFindings, first);
}

/** Writes all that was found, for programs with medians and verdicts. */
function writeJson(path: string, findings: Findings): void {
  const report = { ...findings, medians: medians(findings), verdicts: judge(findings) };
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`);
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
