import type { FuzzTarget } from '../target.js';

/** By name; loaded when they are run. The formats of bytes come first. */
const loaders: Record<string, () => Promise<FuzzTarget>> = {
  tar: async () => (await import('./tar.js')).tar,
  sigtar: async () => (await import('./signatures.js')).sigtar,
  'signature-index': async () => (await import('./signatures.js')).signatureIndex,
  difftar: async () => (await import('./difftar.js')).difftar,
  tree: async () => (await import('./tree.js')).tree,
  manifest: async () => (await import('./manifest.js')).manifest,
  delta: async () => (await import('./rsync.js')).delta,
  signature: async () => (await import('./rsync.js')).signature,
  openpgp: async () => (await import('./openpgp.js')).openpgp,
  'openpgp-inside': async () => (await import('./openpgp.js')).openpgpInside,
  gzip: async () => (await import('./gzip.js')).gzip,
  inflate: async () => (await import('./inflate.js')).inflate,
  bombs: async () => (await import('./bombs.js')).bombs,
  json: async () => (await import('./json.js')).json,
  swift: async () => (await import('./swift.js')).swift,
  names: async () => (await import('./text.js')).names,
  times: async () => (await import('./text.js')).times,
  glob: async () => (await import('./text.js')).glob,
  regexp: async () => (await import('./text.js')).regexp,
  'file-list': async () => (await import('./text.js')).fileList,
  url: async () => (await import('./text.js')).url,
  'command-line': async () => (await import('./text.js')).commandLine,
  'gnupg-status': async () => (await import('./text.js')).gnupgStatus,
};

export const targetNames: readonly string[] = Object.keys(loaders);

/** What is wrong in every way there is to be found: for the test of the driver. */
const faulty = 'faulty';

/** Throws RangeError for a name that is none of `targetNames`. */
export async function loadTarget(name: string): Promise<FuzzTarget> {
  if (name === faulty) return (await import('./faulty.js')).faulty;
  const load = loaders[name];
  if (load === undefined) throw new RangeError(`no target ${name}`);
  return load();
}
