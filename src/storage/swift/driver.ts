import type { BackendDriver, BackendFactory } from '../registry.js';

/**
 * `swift://container[/prefix]` and `pca://container[/prefix]`: OpenStack Swift and Public Cloud Archive. The code behind
 * them is loaded with the first such address. Storages that one driver opens share tokens where they log in alike.
 */
export function swiftDriver(): BackendDriver {
  let factory: Promise<BackendFactory> | undefined;
  return {
    schemes: ['swift', 'pca'],
    load: () => {
      factory ??= import('./open.js').then(({ swiftFactory }) => swiftFactory());
      return factory;
    },
  };
}
