import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { namesIn } from '../cli/trial.js';
import { makeGnupgHome, makeKey, type Outcome, type Tool } from '../interop/programs.js';
import { removeTree } from '../trees/writer.js';

const binFolder = fileURLToPath(new URL('../../../bin', import.meta.url));

/** The file of `bin` that the link named `duplicity` leads to. */
export type Link = 'duplicity' | 'tundra';

/** The passphrase of symmetric profiles and of the key `locked`. */
export const wrapperPassphrase = "pass phrase & 'quotes'";

/**
 * A place for a wrapper of duplicity: one source, and for each tool a home and a store of its own. What a wrapper runs as
 * `duplicity` is for the one the real program, for the other a link to tundra.
 */
export class WrapperScene {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'tundra-wrap-')));
  readonly source = this.path('source');
  readonly gnupgHome = this.path('gnupg');

  constructor() {
    mkdirSync(this.source);
    makeGnupgHome(this.gnupgHome);
    for (const tool of ['tundra', 'duplicity'] as const) {
      for (const name of ['home', 'store', 'temp']) mkdirSync(this.path(tool, name), { recursive: true });
    }
    for (const link of ['duplicity', 'tundra'] as const) {
      mkdirSync(this.path(`bin-${link}`));
      symlinkSync(join(binFolder, link), this.path(`bin-${link}`, 'duplicity'));
    }
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** The environment of a tool's wrapper, and what it finds as `duplicity`: by default the tool itself. */
  environment(home: Tool, program: Tool = home, link: Link = 'duplicity'): NodeJS.ProcessEnv {
    const path = process.env.PATH ?? '';
    return {
      PATH: program === 'duplicity' ? path : [this.path(`bin-${link}`), path].join(delimiter),
      HOME: this.path(home, 'home'),
      GNUPGHOME: this.gnupgHome,
      TZ: 'UTC',
      LC_ALL: 'C.UTF-8',
      TMPDIR: this.path(home, 'temp'),
    };
  }

  /** Makes a key pair and returns its fingerprint. */
  makeKey(name: string, passphrase: string): string {
    return makeKey(name, passphrase, { ...process.env, GNUPGHOME: this.gnupgHome });
  }

  /** Names in a tool's store. */
  stored(tool: Tool): string[] {
    return namesIn(this.path(tool, 'store'));
  }

  dispose(): void {
    spawnSync('gpgconf', ['--kill', 'all'], { env: { ...process.env, GNUPGHOME: this.gnupgHome } });
    removeTree(this.folder);
  }
}

/** Runs `act` with a scene that is removed afterwards. */
export async function withScene<T>(act: (scene: WrapperScene) => Promise<T>): Promise<T> {
  const scene = new WrapperScene();
  try {
    return await act(scene);
  } finally {
    scene.dispose();
  }
}

/** Runs a program without a terminal, as cron does, to its end. */
export function runDetached(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input = '',
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('latin1').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}
