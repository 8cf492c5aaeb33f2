import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TundraError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { createCipher, createOpener } from './ciphers.js';
import type { Sealing, SealSettings } from './settings.js';

/*
 * What the tests of sealed files share.
 */

export const PASSPHRASE = 'pass words';

export const text = Buffer.from(
  Array.from({ length: 20_000 }, (_, i) => `line ${(i * 7919) % 99_973}\n`).join(''),
);

/** A folder and settings for one test file, and what was warned of. */
export class SealTrial {
  readonly folder = mkdtempSync(join(tmpdir(), 'tundra-seal-'));
  warnings: string[] = [];
  /** Sealed with `PASSPHRASE`, all else by default. */
  readonly byPassphrase = this.settings({ kind: 'passphrase' });

  settings(sealing: Sealing, more: Partial<SealSettings> = {}): SealSettings {
    return {
      passphrase: new Secret(PASSPHRASE),
      tempDir: this.folder,
      onWarning: (warning: string) => void this.warnings.push(warning),
      ...more,
      ...sealing,
    } as SealSettings;
  }

  /** Puts bytes into a file of the folder and returns its path. */
  stored(bytes: Uint8Array, name = 'sealed'): string {
    const path = join(this.folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  /** Opens and reads what was encrypted, under the name `x.gpg`; `letOut` holds what came before an error. */
  async open(settings: SealSettings, file: Uint8Array, letOut: Uint8Array[] = []) {
    const marks = { encrypted: true, compressed: false };
    const opened = await createOpener(settings).open(this.stored(file), marks, 'x.gpg');
    for await (const piece of opened.bytes) letOut.push(Uint8Array.from(piece));
    return { plain: Buffer.concat(letOut), signedBy: opened.signedBy };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Seals in pieces, checks the bound for what is to come, and aborts after an error. */
export async function seal(settings: SealSettings, plain: Uint8Array, pieceBytes = 10_000): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const writer = createCipher(settings).seal((piece) => void pieces.push(piece));
  try {
    for (let offset = 0; offset < plain.length; offset += pieceBytes) {
      await writer.write(plain.subarray(offset, offset + pieceBytes));
    }
    const bound = writer.bytesOut + writer.bytesPending;
    await writer.finish();
    assert.ok(writer.bytesOut <= bound, `${writer.bytesOut} bytes came out, at most ${bound} were to come`);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return Buffer.concat(pieces);
}

/** For `assert.rejects`: an error of sealing with this message and advice. */
export function refusal(message: RegExp, advice = /./): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof TundraError, String(thrown));
    assert.equal(thrown.code, 'encryption');
    assert.match(thrown.message, message);
    assert.match(thrown.advice ?? '', advice);
    return true;
  };
}
