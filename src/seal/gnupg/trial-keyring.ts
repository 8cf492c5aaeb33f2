import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key made for a test. */
export interface TrialKey {
  fingerprint: string;
  name: string;
}

/** A GnuPG home of its own for a test file: the process's gpg runs use it until `remove`. */
export class TrialKeyring {
  readonly folder = mkdtempSync(join(tmpdir(), 'tundra-gpg-'));
  readonly #outerHome = process.env.GNUPGHOME;

  constructor() {
    process.env.GNUPGHOME = this.folder;
    // Else each use of a key with a passphrase takes the agent a good part of a second.
    writeFileSync(join(this.folder, 'gpg-agent.conf'), 's2k-count 65536\n');
  }

  /** Makes a key to sign with, and a subkey to encrypt to. */
  makeKey(
    name: string,
    options: { kind: 'ecc' | 'rsa'; passphrase?: string; signingSubkey?: boolean },
  ): TrialKey {
    const [signing, encryption] = options.kind === 'ecc' ? ['ed25519', 'cv25519'] : ['rsa2048', 'rsa2048'];
    const secret = ['--passphrase', options.passphrase ?? ''];
    gpg([...secret, '--quick-gen-key', `${name} <${name}@example.org>`, signing, 'sign', 'never']);
    const fingerprint = this.fingerprints(name)[0]!;
    gpg([...secret, '--quick-add-key', fingerprint, encryption, 'encr', 'never']);
    if (options.signingSubkey) gpg([...secret, '--quick-add-key', fingerprint, signing, 'sign', 'never']);
    return { fingerprint, name };
  }

  /** Fingerprints of the key and its subkeys. */
  fingerprints(key: string): string[] {
    const listing = gpg(['--with-colons', '--list-keys', key]).toString();
    return [...listing.matchAll(/^fpr:+([0-9A-F]+):/gm)].map((match) => match[1]!);
  }

  /** Makes the agent forget passphrases that it saw. */
  forget(): void {
    execFileSync('gpgconf', ['--kill', 'gpg-agent'], { stdio: 'ignore' });
  }

  remove(): void {
    this.forget();
    if (this.#outerHome === undefined) delete process.env.GNUPGHOME;
    else process.env.GNUPGHOME = this.#outerHome;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs gpg without questions and returns its output. */
export function gpg(args: readonly string[], input?: Uint8Array): Buffer {
  const options = ['--batch', '--yes', '--no-tty', '--quiet', '--pinentry-mode', 'loopback', '--no-greeting'];
  return execFileSync('gpg', [...options, ...args], {
    input: input ?? Buffer.alloc(0),
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  });
}
