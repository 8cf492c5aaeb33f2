import { realpath } from 'node:fs/promises';
import { TundraError } from '../../base/errors.js';
import type { StorageBackend } from '../backend.js';
import type { BackendContext, BackendDriver } from '../registry.js';
import type { ParsedUrl } from '../url.js';
import { multiOptions, parseConfig, readConfigFile, type StoreConfig } from './config.js';
import { namedFailure } from './failure.js';
import { MultiBackend, type Store } from './multi-backend.js';

/** `multi:///config.json?mode=…&onfail=…&subpath=…`: several storages that look like one. */
export const multiDriver: BackendDriver = {
  schemes: ['multi'],
  load: () => openMulti,
  isComposite: true,
};

/** Opens the stores of a configuration file. Its path is always absolute: `multi://a/b` means `/a/b`, as to the peer. */
export async function openMulti(url: ParsedUrl, context: BackendContext): Promise<StorageBackend> {
  const options = multiOptions(url);
  const path = url.path.startsWith('/') ? url.path : `/${url.path}`;
  const identity = await realpath(path).catch(() => path);
  if (context.enclosing?.includes(identity)) {
    throw new TundraError('user-error', `the multi configuration ${path} contains itself`);
  }
  const warn = (text: string) => context.onEvent?.({ kind: 'message', level: 'warning', text });
  const configs = parseConfig(await readConfigFile(path), path, warn);
  if (options.mode === 'stripe' && configs.some((config) => config.prefixes !== undefined)) {
    throw new TundraError('user-error', `multi configuration ${path}: prefixes do not go with mode stripe`, {
      advice: 'Add ?mode=mirror to the address, or take the prefixes out.',
    });
  }
  const enclosing = [...(context.enclosing ?? []), identity];
  const stores: Store[] = [];
  try {
    for (const [index, config] of configs.entries()) {
      const storeContext = { ...context, env: { ...context.env, ...config.env }, enclosing };
      stores.push(await openStore(config, index, options.subpath, storeContext));
    }
  } catch (error) {
    await Promise.allSettled(stores.map(({ backend }) => backend.close()));
    throw error;
  }
  return new MultiBackend(url.display, stores, options, context.onEvent);
}

async function openStore(
  config: StoreConfig,
  index: number,
  subpath: string,
  context: BackendContext,
): Promise<Store> {
  const { description, prefixes = [] } = config;
  try {
    const backend = await context.registry.open(config.url + subpath, context);
    const label = description ? `${description} (${backend.description})` : backend.description;
    return { label, backend, prefixes };
  } catch (error) {
    if (!(error instanceof TundraError)) throw error;
    throw namedFailure(`entry ${index + 1}${description ? `, ${description}` : ''}`, error);
  }
}
