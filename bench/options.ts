import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Operation, operations, type Sealing, type Tool, tools } from './tools.js';

const usage = `npm run bench -- [options]
Times tundra beside duplicity, restic and borg on one tree of real files, in one run, tool after tool.
  --tools tundra,duplicity  only these tools
  --only full,restore       only these operations (${operations.join(', ')})
  --repeat N                rounds; medians are shown (default 1)
  --sealing gzip            without encryption (default passphrase)
  --size-mb N --files N     size of the tree (default 1000 and 57000)
  --work DIR                where to work (default the system's folder for temporary files; /dev/shm, with 8 GB
                            to spare, takes the disk out of the figures)
  --json FILE --markdown FILE   write the results there too
  --no-check                do not compare what was restored with the source
  --keep                    leave the working folder
Others, each with --help: node dist/bench/limits.js (peak memory), node dist/bench/swift.js (Swift, beside its client)`;

/** What a benchmark is asked for. */
export interface Options {
  tools: Tool[];
  only: Set<Operation>;
  rounds: number;
  sealing: Sealing;
  sizeBytes: number;
  files: number;
  work: string;
  json: string | undefined;
  markdown: string | undefined;
  check: boolean;
  keep: boolean;
}

/** Reads the command line. Throws an Error that says what it does not take; `--help` prints and ends. */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      tools: { type: 'string' },
      only: { type: 'string' },
      repeat: { type: 'string', default: '1' },
      sealing: { type: 'string', default: 'passphrase' },
      'size-mb': { type: 'string', default: '1000' },
      files: { type: 'string', default: '57000' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      markdown: { type: 'string' },
      'no-check': { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const toolNames = listOf(
    'tools',
    values.tools,
    tools.map(({ name }) => name),
  );
  return {
    tools: tools.filter(({ name }) => toolNames.includes(name)),
    only: new Set(listOf('only', values.only, operations)),
    rounds: countOf('repeat', values.repeat),
    sealing: listOf('sealing', values.sealing, ['passphrase', 'gzip'] as const)[0]!,
    sizeBytes: countOf('size-mb', values['size-mb']) * 1e6,
    files: countOf('files', values.files),
    work: resolve(values.work),
    json: values.json,
    markdown: values.markdown,
    check: !values['no-check'],
    keep: values.keep,
  };
}

/** The names of a comma-separated option; all of them if it is not given. */
function listOf<Name extends string>(
  option: string,
  text: string | undefined,
  known: readonly Name[],
): Name[] {
  if (text === undefined) return [...known];
  return text.split(',').map((part) => {
    const name = known.find((candidate) => candidate === part.trim());
    if (name === undefined) throw new Error(`--${option} knows ${known.join(', ')}, not ${part}`);
    return name;
  });
}

function countOf(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option} takes a whole number, not ${text}`);
  return Number(text);
}
