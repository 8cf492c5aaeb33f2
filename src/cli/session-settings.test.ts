import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { SessionSettings } from '../app/session.js';
import { parseCommandLine } from './arguments.js';
import { sessionSettings } from './session-settings.js';
import { createTerminal, plainTerminal } from './terminal.js';

const terminal = createTerminal(plainTerminal);

/** The settings that a command line makes. */
async function settingsOf(...argv: string[]): Promise<SessionSettings> {
  const { options } = parseCommandLine(argv);
  const environment = { PASSPHRASE: 'p' };
  return sessionSettings('file:///s', 'write', options, environment, terminal);
}

/** What a setting is at a path such as `backend.timeoutMs`. */
function at(settings: SessionSettings, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], settings);
}

describe('sessionSettings', () => {
  const cases: [argv: string[], path: string, expected: unknown][] = [
    [['--num-retries', '7'], 'backend.numRetries', 7],
    [['--backend-retry-delay', '2'], 'backend.retryDelayMs', 2000],
    [['--timeout', '5'], 'backend.timeoutMs', 5000],
    [['--swift-storage-policy', 'cold'], 'backend.swiftStoragePolicy', 'cold'],
    [['--mp-segment-size', '3'], 'backend.segmentSizeBytes', 3 << 20],
    [['--volsize', '10'], 'backend.segmentSizeBytes', 11 << 20],
    [['--metadata-sync-mode', 'full'], 'syncMode', 'full'],
    [['--archive-dir', 'a'], 'archiveDir', 'a'],
    [['--name', 'n'], 'name', 'n'],
    [['--tempdir', 't'], 'tempDir', 't'],
    [['--file-prefix', 'x'], 'prefixes.all', 'x'],
    [['--short-filenames'], 'prefixes.form', { kind: 'short' }],
    [['--old-filenames'], 'prefixes.form', { kind: 'old', separator: ':' }],
    [['--old-filenames', '--time-separator', '_'], 'prefixes.form', { kind: 'old', separator: '_' }],
    [['--encrypt-key', 'A', '--encrypt-key', 'B'], 'seal.encryptKeys', ['A', 'B']],
    [['--hidden-encrypt-key', 'H'], 'seal.hiddenEncryptKeys', ['H']],
    [['--encrypt-sign-key', 'S'], 'seal.encryptKeys', ['S']],
    [['--encrypt-sign-key', 'S'], 'seal.signKey', 'S'],
    [['--encrypt-key', 'A', '--sign-key', 'S'], 'seal.signKey', 'S'],
    [['--encrypt-secret-keyring', 'ring'], 'seal.secretKeyring', 'ring'],
    [['--gpg-binary', 'gpg9'], 'seal.gnupg.program', 'gpg9'],
    [['--gpg-options', '--x', '--gpg-options=--y'], 'seal.gnupg.userOptions', '--x --y'],
    [['--use-agent'], 'seal.gnupg.useAgent', true],
    [['--compress-level', 'small'], 'seal.effort', 'small'],
    [['--no-encryption'], 'seal.kind', 'gzip'],
    [['--no-encryption', '--no-compression'], 'seal.kind', 'none'],
  ];
  for (const [argv, path, expected] of cases) {
    it(`${argv.join(' ')} sets ${path}`, async () => {
      assert.notDeepEqual(at(await settingsOf(), path), expected);
      assert.deepEqual(at(await settingsOf(...argv), path), expected);
    });
  }

  it('--current-time stops the clock', async () => {
    assert.equal((await settingsOf('--current-time', '1234')).now(), 1234);
    assert.ok((await settingsOf()).now() > 1_700_000_000);
  });

  it('shows no passphrase', async () => {
    const { seal } = await settingsOf();
    assert.equal(seal.passphrase?.reveal(), 'p');
    assert.doesNotMatch(inspect(seal), /'p'/);
  });
});
