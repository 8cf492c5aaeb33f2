import type { SessionSettings } from '../app/session.js';
import { TundraError } from '../base/errors.js';
import { processorsToUse } from '../base/processors.js';
import { Secret } from '../base/secret.js';
import type { NameForm } from '../format/names.js';
import type { Sealing } from '../seal/settings.js';
import { defaultBackendOptions } from '../storage/registry.js';
import { commandLineError, type OptionValues } from './arguments.js';
import { askSymmetricPassphrase } from './passphrase.js';
import type { Terminal } from './terminal.js';

/** What a command does with the backup, which decides the passphrases it needs. */
export type Purpose = 'write' | 'read' | 'metadata';

/** Everything a session is made from, out of options and environment. */
export async function sessionSettings(
  url: string,
  purpose: Purpose,
  options: OptionValues,
  environment: NodeJS.ProcessEnv,
  terminal: Terminal,
): Promise<SessionSettings> {
  const seconds = (name: 'backend-retry-delay' | 'timeout', ms: number) => {
    const value = options.number(name);
    return value === undefined ? ms : value * 1000;
  };
  const fixedTime = options.number('current-time');
  const encryption = await encryptionSettings(purpose, options, environment, terminal.interruption);
  return {
    url,
    archiveDir: options.text('archive-dir'),
    name: options.text('name'),
    tempDir: options.text('tempdir'),
    prefixes: {
      all: options.text('file-prefix') ?? '',
      manifest: options.text('file-prefix-manifest') ?? '',
      signature: options.text('file-prefix-signature') ?? '',
      archive: options.text('file-prefix-archive') ?? '',
      form: nameForm(options),
      statistics: options.text('file-prefix-jsonstat') ?? '',
    },
    ...encryption,
    syncMode: syncMode(options),
    backend: {
      numRetries: options.number('num-retries') ?? defaultBackendOptions.numRetries,
      retryDelayMs: seconds('backend-retry-delay', defaultBackendOptions.retryDelayMs),
      timeoutMs: seconds('timeout', defaultBackendOptions.timeoutMs),
      swiftStoragePolicy: options.text('swift-storage-policy'),
      segmentSizeBytes: segmentSizeBytes(options),
    },
    environment,
    now: () => fixedTime ?? Math.floor(Date.now() / 1000),
    events: (event) => terminal.event(event),
    tellFiles: terminal.verbosity >= 5,
    processors: processorsToUse(options.number('concurrency')),
    interruption: terminal.interruption,
  };
}

const mebibyte = 1 << 20;
const defaultVolumeMebibytes = 200;
/** A volume is a little larger than its limit at times: none is sent in two for that. */
const segmentFactor = 1.1;

function segmentSizeBytes(options: OptionValues): number {
  const given = options.number('mp-segment-size');
  const mebibytes =
    given ?? Math.floor(segmentFactor * (options.number('volsize') ?? defaultVolumeMebibytes));
  return mebibytes * mebibyte;
}

function syncMode(options: OptionValues): 'full' | 'partial' {
  return options.text('metadata-sync-mode') === 'full' ? 'full' : 'partial';
}

/** The form of file names that is written, if it is not today's. Short names know no separator. */
function nameForm(options: OptionValues): NameForm | undefined {
  const separator = options.text('time-separator') ?? ':';
  // It must be told from digits when a name is read back, and fit into a name.
  if (!/^[^\d\-/\s]$/.test(separator)) {
    throw commandLineError(
      `--time-separator: "${separator}" is not one character other than "-", "/" and digits`,
    );
  }
  if (options.flag('short-filenames')) return { kind: 'short' };
  return options.flag('old-filenames') ? { kind: 'old', separator } : undefined;
}

type Encryption = Pick<SessionSettings, 'seal' | 'canOpen'>;

/** How this run seals and opens files, as the options and the environment say. */
async function encryptionSettings(
  purpose: Purpose,
  options: OptionValues,
  environment: NodeJS.ProcessEnv,
  interruption: AbortSignal | undefined,
): Promise<Encryption> {
  const secret = (name: string) =>
    environment[name] === undefined ? undefined : new Secret(environment[name]);
  const both = options.text('encrypt-sign-key');
  const encryptKeys = [...options.list('encrypt-key'), ...(both === undefined ? [] : [both])];
  const hiddenEncryptKeys = options.list('hidden-encrypt-key');
  const signKey = both ?? options.text('sign-key');
  const useAgent = options.flag('use-agent');
  const hasKeys = encryptKeys.length + hiddenEncryptKeys.length > 0;
  const isEncrypted = !options.flag('no-encryption');
  let passphrase = secret('PASSPHRASE');
  if (isEncrypted && !hasKeys && !useAgent && passphrase === undefined && purpose !== 'metadata') {
    passphrase = await askSymmetricPassphrase(purpose === 'write', interruption);
  }
  // A key that signs and that is encrypted to has one passphrase, whichever of the two variables holds it.
  if (signKey !== undefined && [...encryptKeys, ...hiddenEncryptKeys].includes(signKey)) {
    passphrase ??= secret('SIGN_PASSPHRASE');
  }
  const signPassphrase = secret('SIGN_PASSPHRASE') ?? passphrase;
  if (purpose === 'write' && isEncrypted && !hasKeys) requireUsablePassphrase(passphrase, useAgent);
  if (signKey !== undefined && !hasKeys && signPassphrase?.reveal() !== passphrase?.reveal()) {
    throw new TundraError(
      'user-error',
      'When using symmetric encryption, the signing passphrase must equal the encryption passphrase.',
    );
  }
  const sealing: Sealing = !isEncrypted
    ? { kind: options.flag('no-compression') ? 'none' : 'gzip' }
    : hasKeys
      ? { kind: 'keys', encryptKeys, hiddenEncryptKeys, signKey }
      : { kind: 'passphrase', signKey };
  const secretKeyring = options.text('encrypt-secret-keyring');
  const gnupg = {
    program: options.text('gpg-binary'),
    userOptions: options.text('gpg-options'),
    useAgent,
  };
  return {
    seal: { ...sealing, effort: effortOf(options), passphrase, signPassphrase, gnupg, secretKeyring },
    canOpen: !isEncrypted || passphrase !== undefined || useAgent,
  };
}

function effortOf(options: OptionValues): SessionSettings['seal']['effort'] {
  // The parser has let no other word through.
  return options.text('compress-level') as SessionSettings['seal']['effort'];
}

function requireUsablePassphrase(passphrase: Secret | undefined, useAgent: boolean): void {
  if (useAgent || (passphrase !== undefined && passphrase.reveal() !== '')) return;
  throw new TundraError('encryption', 'Cannot use empty passphrase with symmetric encryption!', {
    advice: 'Set PASSPHRASE to a passphrase, or use --no-encryption or --encrypt-key.',
  });
}
