import { TundraError } from '../../base/errors.js';
import { latin1OfNative } from '../../base/path-key.js';
import { type BackendFactory, defaultBackendOptions } from '../registry.js';
import type { ParsedUrl } from '../url.js';
import { Accounts } from './account.js';
import { Container } from './container.js';
import { readAccount } from './environment.js';
import { SwiftBackend } from './swift-backend.js';

export interface SwiftFactoryOptions {
  /** How many entries of a listing are asked for at a time; undefined for what the storage gives. */
  listPageSize?: number | undefined;
}

/** What opens Swift storages, which share their accounts. Nothing is sent before the first call. */
export function swiftFactory({ listPageSize }: SwiftFactoryOptions = {}): BackendFactory {
  const accounts = new Accounts();
  return (url, { env, options, onEvent }) => {
    const isArchive = url.scheme === 'pca';
    const { container, prefix } = placeOf(url);
    const settings = readAccount(env, isArchive ? 'PCA' : 'SWIFT', url.display);
    const { numRetries, retryDelayMs, timeoutMs, swiftStoragePolicy } = options;
    const { account, release } = accounts.use(settings, { timeoutMs, env });
    const warn = (text: string) => onEvent?.({ kind: 'message', level: 'warning', text });
    const { place, variables } = settings;
    return new SwiftBackend({
      description: url.display,
      container: new Container({
        account,
        place,
        variables,
        name: latin1OfNative(container),
        policy: isArchive ? 'PCA' : swiftStoragePolicy || undefined,
        policyAdvice: isArchive
          ? 'Name another container; a container keeps its policy as long as it lives.'
          : 'Name another container, or another policy with --swift-storage-policy.',
      }),
      prefix: latin1OfNative(prefix),
      isArchive,
      // The peer never cuts what goes to an archive, and would not remove the pieces.
      segmentSizeBytes: isArchive
        ? 0
        : (options.segmentSizeBytes ?? defaultBackendOptions.segmentSizeBytes ?? 0),
      tries: { attempts: numRetries, delayMs: retryDelayMs, onEvent },
      timeoutMs,
      listPageSize,
      onWarning: warn,
      release,
    });
  };
}

/** The container, and the prefix with a slash at its end. Empty parts of the path count for nothing. */
function placeOf(url: ParsedUrl): { container: string; prefix: string } {
  const [container, ...folders] = url.path.split('/').filter((part) => part !== '');
  if (container === undefined) {
    throw new TundraError('bad-url', `the address ${url.display} names no container`, {
      advice: `Addresses look like ${url.scheme}://container or ${url.scheme}://container/folder.`,
    });
  }
  return { container, prefix: folders.map((folder) => `${folder}/`).join('') };
}
