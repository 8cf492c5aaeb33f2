import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withSession } from '../../src/app/session.js';
import { latin1OfNative } from '../../src/base/path-key.js';
import type { NamePrefixes } from '../../src/format/names.js';
import { allKinds } from '../../src/format/tar/records.js';
import { backup } from '../../src/operations/backup.js';
import { startSourceSides } from '../../src/operations/source-side.js';
import { namesIn, type Running, type RunOptions, Trial } from '../cli/trial.js';

/** A line of what the cold store was asked. */
export interface ColdRequest {
  kind: 'thaw' | 'get' | 'refused';
  name: string;
}

export interface ColdOptions {
  /** How long thaws take, in seconds: `0.5` or `0.5-6`. */
  thaw: string;
  /** How long objects can be read then, in seconds. */
  keep?: string;
  /** What lies in the cold store. */
  coldPrefixes?: string[];
}

const startSeconds = 1_700_000_000;
const prefixes: NamePrefixes = { all: '', manifest: 'hot_', signature: 'sig_', archive: 'cold_' };
/** The options of every command. */
export const prefixOptions = [
  ...['--file-prefix-manifest', prefixes.manifest],
  ...['--file-prefix-signature', prefixes.signature],
  ...['--file-prefix-archive', prefixes.archive],
];

/** Two stores: a hot one for manifests and signatures, a cold one, which must be asked, for volumes. Sealed by nothing. */
export class ColdTrial extends Trial {
  readonly hot = this.path('hot');
  readonly cold = this.path('cold');
  override readonly url = `multi://${this.path('config.json')}?mode=mirror&onfail=abort`;

  constructor(options: ColdOptions) {
    super('plain');
    for (const folder of [this.hot, this.cold]) mkdirSync(folder);
    this.configure(options);
  }

  /** Sets how the cold store behaves from now on. */
  configure({ thaw, keep = '3600', coldPrefixes = ['cold_'] }: ColdOptions): void {
    const hotPrefixes = ['hot_', 'sig_', 'cold_'].filter((prefix) => !coldPrefixes.includes(prefix));
    const stores = [
      { url: `file://${this.hot}`, prefixes: hotPrefixes },
      { url: `cold+file://${this.cold}?thaw=${thaw}&keep=${keep}`, prefixes: coldPrefixes },
    ];
    writeFileSync(this.path('config.json'), JSON.stringify(stores));
  }

  override start(args: readonly string[], options: RunOptions = {}): Running {
    return super.start([...prefixOptions, ...args], options);
  }

  /** Backs up in this process, with volumes far smaller than the command line allows. */
  async backUp(mode: 'full' | 'incremental', step: number, volumeSizeBytes: number): Promise<void> {
    const sources = startSourceSides({
      root: latin1OfNative(this.source),
      rules: [],
      followLinks: false,
      recordKinds: allKinds,
    });
    const settings: Parameters<typeof withSession>[0] = {
      url: this.url,
      archiveDir: this.archive,
      name: 'trial',
      tempDir: this.temp,
      prefixes,
      seal: { kind: 'none' },
      canOpen: true,
      syncMode: 'partial',
      backend: { numRetries: 1, retryDelayMs: 0, timeoutMs: 10_000 },
      environment: { HOME: this.home },
      now: () => secondsOf(step),
      events: () => {},
      tellFiles: false,
      processors: 2,
    };
    try {
      await withSession(settings, (session) =>
        backup(session, {
          mode,
          sources,
          volumeSizeBytes,
          maxBlockSizeBytes: 2048,
          fullIfBefore: undefined,
          allowSourceMismatch: false,
          hostname: 'here',
          listFiles: true,
          uploads: 1,
          dryRun: false,
        }),
      );
    } finally {
      await sources.stop();
    }
  }

  /** What the cold store was asked since it was last looked. */
  requests(): ColdRequest[] {
    const path = join(this.cold, '.tundra-cold/requests.log');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'latin1').trimEnd().split('\n');
    rmSync(path);
    return lines.map((line) => {
      const [, kind, name] = line.split(' ') as [string, ColdRequest['kind'], string];
      return { kind, name };
    });
  }

  /** Forgets all thaws: everything is sealed. */
  sealAll(): void {
    rmSync(join(this.cold, '.tundra-cold'), { recursive: true, force: true });
  }

  /** The names of the objects in the cold store. */
  coldNames(): string[] {
    return namesIn(this.cold).filter((name) => !name.startsWith('.'));
  }

  /** Stores what lies in a folder, each file where it belongs. */
  takeOver(folder: string): void {
    for (const name of readdirSync(folder)) {
      cpSync(join(folder, name), join(name.startsWith(prefixes.archive) ? this.cold : this.hot, name));
    }
  }

  /** A copy of all that is stored, in one hot folder; its address. */
  hotCopy(): string {
    const folder = this.path('copy');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const store of [this.hot, this.cold]) {
      for (const name of readdirSync(store)) {
        if (!name.startsWith('.')) cpSync(join(store, name), join(folder, name));
      }
    }
    return `file://${folder}`;
  }
}

/** The time of a backup of `ColdTrial.backUp`. */
export function secondsOf(step: number): number {
  return startSeconds + step * 1000;
}

/** As options: a time at which the backup of a step is the newest. */
export function atStep(step: number): string[] {
  return ['--time', String(secondsOf(step) + 1)];
}

export async function withColdTrial<T>(
  given: ColdOptions,
  act: (trial: ColdTrial) => Promise<T>,
): Promise<T> {
  const trial = new ColdTrial(given);
  try {
    return await act(trial);
  } finally {
    trial.dispose();
  }
}

/** The names of the requests of a kind, sorted. */
export function namesOf(requests: readonly ColdRequest[], kind: ColdRequest['kind']): string[] {
  return requests
    .filter((request) => request.kind === kind)
    .map(({ name }) => name)
    .sort();
}
