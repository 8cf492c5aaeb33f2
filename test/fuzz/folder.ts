import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder of a target that parses files; made when it is first used. */
export class TrialFolder {
  #path: string | undefined;

  path(name: string): string {
    this.#path ??= mkdtempSync(join(tmpdir(), 'tundra-fuzz-'));
    return join(this.#path, name);
  }

  /** Writes a file and returns its path. */
  stored(name: string, bytes: Uint8Array | string): string {
    const path = this.path(name);
    writeFileSync(path, bytes);
    return path;
  }

  remove(): void {
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
    this.#path = undefined;
  }
}
