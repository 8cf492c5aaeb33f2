import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { packet } from '../library/handmade-packets.js';
import { refusal, SealTrial, seal, text } from '../seal-trial.js';
import type { Sealing, SealSettings } from '../settings.js';

const trial = new SealTrial();
after(() => trial.remove());

/** A program that passes for gpg until it has to work. */
function impostor(name: string, script: string): Partial<SealSettings> {
  const program = join(trial.folder, name);
  const version = 'case "$*" in *--version*) echo "gpg (GnuPG) 2.2.40"; exit 0;; esac';
  writeFileSync(program, `#!/bin/sh\n${version}\n${script}\n`, { mode: 0o755 });
  return { gnupg: { program } };
}

suite('a gpg that goes wrong is an error, not a crash', () => {
  const sealing: Sealing = { kind: 'keys', encryptKeys: ['a'], hiddenEncryptKeys: [] };
  const large = Buffer.alloc(3_000_000, text);
  const toKey = Buffer.concat([packet(1, Buffer.alloc(20)), packet(18, Buffer.concat([Buffer.of(1), text]))]);
  const soundStatus = 'printf "[GNUPG:] DECRYPTION_OKAY\\n[GNUPG:] GOODMDC\\n" >&3';

  test('it dies while it is fed', async () => {
    const dies = trial.settings(
      sealing,
      impostor('dies', 'head -c 100000 >/dev/null; echo boom >&2; exit 3'),
    );
    await assert.rejects(seal(dies, large), refusal(/gpg did not encrypt\nboom/));
    await assert.rejects(seal(dies, text), refusal(/gpg did not encrypt\nboom/));
    const killed = trial.settings(sealing, impostor('killed', 'head -c 100000 >/dev/null; kill -9 $$'));
    await assert.rejects(seal(killed, large), refusal(/gpg did not encrypt \(a signal ended it\)/));
  });

  test('it is content with half of the input', async () => {
    const lazy = trial.settings(sealing, impostor('lazy', 'head -c 100000; exit 0'));
    await assert.rejects(seal(lazy, large), refusal(/gpg did not encrypt/));
  });

  test('it decrypts, and does not say that all is well', async () => {
    const letOut: Uint8Array[] = [];
    const silent = trial.settings(sealing, impostor('silent', 'echo plain; exit 0'));
    await assert.rejects(trial.open(silent, toKey, letOut), refusal(/gpg did not decrypt x\.gpg/));
    const fails = trial.settings(sealing, impostor('fails', `echo plain; ${soundStatus}; exit 2`));
    await assert.rejects(trial.open(fails, toKey, letOut), refusal(/gpg did not decrypt x\.gpg/));
    const killed = trial.settings(sealing, impostor('shot', `echo plain; ${soundStatus}; kill -9 $$`));
    await assert.rejects(trial.open(killed, toKey, letOut), refusal(/gpg did not decrypt x\.gpg/));
    assert.equal(letOut.length, 0);
    const sound = trial.settings(sealing, impostor('sound', `echo plain; ${soundStatus}`));
    assert.equal((await trial.open(sound, toKey)).plain.toString(), 'plain\n');
  });
});
