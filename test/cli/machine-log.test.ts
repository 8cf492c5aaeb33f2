/** What programs are told by `--log-fd` and `--log-file`: beside duplicity's, record by record. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { latin1OfNative } from '../../src/base/path-key.js';
import { sealingOf, type Tool, Workshop } from '../interop/programs.js';
import { needs } from '../peers.js';
import { TreeWriter } from '../trees/writer.js';
import { changeSmallTree, smallTree, smallTreeSeconds } from './small-tree.js';

interface LogEntry {
  /** `INFO 4 'a'`; of a collection status all lines of it. */
  head: string;
  text: string;
}

/** The records of a machine log, which must be nothing but records. */
function recordsIn(log: string): LogEntry[] {
  if (log === '') return [];
  assert.ok(log.endsWith('\n\n'), 'the last record is whole');
  return log
    .slice(0, -2)
    .split('\n\n')
    .map((record) => {
      const lines = record.split('\n');
      const textAt = lines.findIndex((line) => line.startsWith('. '));
      const at = textAt < 0 ? lines.length : textAt;
      assert.match(lines[0] as string, /^(DEBUG|INFO|NOTICE|WARNING|ERROR) \d+( .*)?$/);
      return { head: lines.slice(0, at).join('\n'), text: lines.slice(at).join('\n').replace(/^\. /gm, '') };
    });
}

/** What front ends go by: all but the remarks of code 1 and how far a run is. Times differ between the tools, and so does
 *  the order, as our walk runs ahead. */
function essentials(log: string): string[] {
  return recordsIn(log)
    .map(({ head }) => head)
    .filter((head) => !/^(DEBUG|INFO|NOTICE) (1|2)\b(?! \d+ \d+)/.test(head))
    .map((head) => head.replace(/\d{8}T\d{6}Z/g, 'TIME'))
    .sort();
}

interface Step {
  args(url: string, target: string): string[];
  status?: number;
  /** Before both tools. */
  change?(): void;
  /** Before each. */
  prepare?(store: string): void;
}

describe('the machine log beside that of duplicity', () => {
  it('has the same records', async (t) => {
    if (!needs(t, 'duplicity')) return;
    const workshop = new Workshop();
    const socket = createServer();
    try {
      const sealing = sealingOf('gzip', workshop);
      const source = workshop.path('source');
      mkdirSync(source);
      smallTree(source);
      // The peer cannot write a name that is no UTF-8 to its log.
      rmSync(join(source, 'sub/deep'), { recursive: true });
      const name = latin1OfNative("it's\n \\ \u00e9 \u{1f600}");
      new TreeWriter(source, smallTreeSeconds).file(name, Buffer.alloc(0));
      socket.listen(join(source, 'socket'));
      const leftover = 'duplicity-full.20200101T000000Z.vol1.difftar.gz';
      const steps: Record<string, Step> = {
        'dry run': { args: (url) => ['full', '-v5', '--dry-run', source, url] },
        full: { args: (url) => ['full', '-v5', source, url] },
        incremental: {
          args: (url) => ['incremental', '-v7', '--asynchronous-upload', source, url],
          change: () => changeSmallTree(source),
        },
        status: { args: (url) => ['collection-status', '-v1', url] },
        list: { args: (url) => ['list-current-files', '-v1', url] },
        'early list': { args: (url) => ['list-current-files', '-t', '2002-01-01', url] },
        restore: { args: (url, target) => ['restore', '-v5', url, target] },
        'restore of a folder': {
          args: (url, target) => ['restore', '-v5', '--file-to-restore', 'sub', url, `${target}-sub`],
        },
        'restore again': { args: (url, target) => ['restore', url, target], status: 11 },
        'restore of nothing': {
          args: (url, target) => ['restore', '--file-to-restore', 'no', url, `${target}-no`],
          status: 19,
        },
        verify: { args: (url) => ['verify', '-v5', '--compare-data', url, source] },
        cleanup: {
          args: (url) => ['cleanup', url],
          prepare: (store) => writeFileSync(join(store, leftover), ''),
        },
        'status of leftovers': { args: (url) => ['collection-status', url] },
        'no source': { args: (url) => ['incremental', `${source}-no`, url], status: 13 },
      };
      for (const [name, { args, status, change, prepare }] of Object.entries(steps)) {
        change?.();
        const logOf = async (tool: Tool) => {
          const store = workshop.path(`store-${tool}`);
          prepare?.(store);
          const file = workshop.path(`log-${name}-${tool}`);
          const common = ['--archive-dir', workshop.path(`archive-${tool}`), '--log-file', file];
          const given = args(`file://${store}`, workshop.path(`target-${tool}`));
          await workshop.run(tool, sealing, [...given, ...common], status ?? 0);
          return essentials(readFileSync(file, 'utf8'));
        };
        const peers = await logOf('duplicity');
        assert.deepEqual(await logOf('tundra'), peers, name);
        assert.ok(peers.length > 0, `${name} tells something`);
      }
    } finally {
      socket.close();
      workshop.dispose();
    }
  });
});
