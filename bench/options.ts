import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Sealing } from './tools.js';
import { chooseWorks, type WorkName, works } from './works.js';

export const usage = `npm run bench -- [WORK...] [options]
Times tundra beside duplicity, restic and borg, tool after tool, in one run. Without a WORK, all of them:
${works.map(({ name, title }) => `  ${name.padEnd(11)} ${title}`).join('\n')}
What is to be known of every work:
  --tools tundra,duplicity  only these tools
  --repeat N                rounds; medians are shown (default 1)
  --sealing gzip            without encryption (default passphrase)
  --work DIR                where to work (default the system's folder for temporary files; /dev/shm takes the disk
                            out of the figures, and needs the memory: 10 GB for the tree, 16 GB for the large file)
  --no-check                do not compare what was restored with the source
  --keep                    leave the working folder
Sizes (the bars hold for the default ones):
  --size-mb N --files N     the tree (default 1000 and 57000)
  --photos-mb N             photos (default 1000)
  --large-mb N              the large file (default 10000)
  --cases files,chain,holes memory: only these cases, one after the other, of
  --many-files N            so many small files (default 1000000),
  --sets N                  so many incremental sets (default 100),
  --holes-mb N              one file of so many MB, nearly all holes (default 5000)
  --kernel-mb N             kernels: so much data (default 64; OpenPGP: 200)
Results, besides the tables on the terminal:
  --json FILE               all figures; written after each course, so that a run that ends early leaves what it has
  --from FILE               take the works that this run does not measure from an earlier run's JSON; may be given often
  --report-only             measure nothing: only report what --from names
  --markdown FILE           put tables between the marks of this document, and the charts into the folder beside it that
                            has its name: docs/performance.md, docs/performance/*.svg`;

/** What a benchmark is asked for. */
export interface Options {
  works: Set<WorkName>;
  tools: string[] | undefined;
  rounds: number;
  sealing: Sealing;
  sizeBytes: number;
  files: number;
  photosBytes: number;
  largeBytes: number;
  cases: string[] | undefined;
  manyFiles: number;
  sets: number;
  holesBytes: number;
  kernelBytes: number;
  openPgpBytes: number;
  work: string;
  json: string | undefined;
  from: string[];
  markdown: string | undefined;
  check: boolean;
  keep: boolean;
}

/** Reads the command line; undefined if it asks for help. Throws an Error that says what it does not take. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      tools: { type: 'string' },
      repeat: { type: 'string', default: '1' },
      sealing: { type: 'string', default: 'passphrase' },
      'size-mb': { type: 'string', default: '1000' },
      files: { type: 'string', default: '57000' },
      'photos-mb': { type: 'string', default: '1000' },
      'large-mb': { type: 'string', default: '10000' },
      cases: { type: 'string' },
      'many-files': { type: 'string', default: '1000000' },
      sets: { type: 'string', default: '100' },
      'holes-mb': { type: 'string', default: '5000' },
      'kernel-mb': { type: 'string' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      from: { type: 'string', multiple: true, default: [] },
      'report-only': { type: 'boolean', default: false },
      markdown: { type: 'string' },
      'no-check': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.sealing !== 'passphrase' && values.sealing !== 'gzip') {
    throw new Error(`--sealing knows passphrase and gzip, not ${values.sealing}`);
  }
  const count = (name: keyof typeof values, text = String(values[name])) => {
    if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${name} takes a whole number, not ${text}`);
    return Number(text);
  };
  const kernelMb = values['kernel-mb'] === undefined ? undefined : count('kernel-mb');
  return {
    works: values['report-only'] ? new Set() : chooseWorks([...positionals, ...listOf(values.only)]),
    tools: values.tools === undefined ? undefined : listOf(values.tools),
    rounds: count('repeat'),
    sealing: values.sealing,
    sizeBytes: count('size-mb') * 1e6,
    files: count('files'),
    photosBytes: count('photos-mb') * 1e6,
    largeBytes: count('large-mb') * 1e6,
    cases: values.cases === undefined ? undefined : listOf(values.cases),
    manyFiles: count('many-files'),
    sets: count('sets'),
    holesBytes: count('holes-mb') * 1e6,
    kernelBytes: (kernelMb ?? 64) * 1e6,
    openPgpBytes: (kernelMb ?? 200) * 1e6,
    work: resolve(values.work),
    json: values.json,
    from: values.from,
    markdown: values.markdown,
    check: !values['no-check'],
    keep: values.keep,
  };
}

function listOf(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').map((part) => part.trim());
}
