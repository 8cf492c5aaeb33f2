import { Gate } from '../base/gate.js';
import type { Manifest } from '../format/manifest.js';
import { formatRemoteName } from '../format/names.js';
import { type MetadataStores, unsealedName } from './metadata.js';
import { type BackupSet, parseNames } from './sets.js';

type Stores = Pick<MetadataStores, 'backend' | 'prefixes'>;

const looksAtOnce = 8;

/**
 * The names that a storage lists, and those of metadata in the local archive that it has and does not list. A listing
 * may lag behind what was stored: what is here and not in it is looked for by name, before it counts as gone.
 */
export async function withUnlisted(
  { backend, prefixes }: Stores,
  listed: readonly string[],
  local: readonly string[],
): Promise<string[]> {
  const names = [...listed];
  if (backend.promises.consistentList) return names;
  const known = new Set(listed.map(unsealedName));
  const sought = new Map<string, string[]>();
  for (const { name, parsed } of parseNames(local, prefixes)) {
    const key = unsealedName(name);
    if (parsed.kind === 'volume' || parsed.encrypted || known.has(key)) continue;
    const [gpg, gz] = /\.(?:st|m)$/.test(key) ? ['g', 'z'] : ['gpg', 'gz'];
    const sealed = parsed.kind === 'manifest' ? [gpg] : [gz, gpg];
    sought.set(key, [...sealed.map((suffix) => `${key}.${suffix}`), key]);
  }
  const found = await eachAtOnce([...sought.values()], (candidates) => firstStored(backend, candidates));
  return [...names, ...found.filter((name) => name !== undefined)];
}

/** Adds the volumes to a set that its manifest names, and that the storage has and did not list. */
export async function addUnlistedVolumes(
  { backend, prefixes }: Stores,
  { times, volumes, encrypted }: BackupSet,
  manifest: Manifest,
): Promise<void> {
  if (backend.promises.consistentList) return;
  const missing = manifest.volumes.map(({ number }) => number).filter((number) => !volumes.has(number));
  const sealings = [
    { encrypted: true, compressed: false },
    { encrypted: false, compressed: true },
    { encrypted: false, compressed: false },
  ].filter((sealing) => sealing.encrypted === encrypted);
  await eachAtOnce(missing, async (volume) => {
    const candidates = sealings.map((sealing) =>
      formatRemoteName({ kind: 'volume', set: times, volume, partial: false, ...sealing }, prefixes),
    );
    const name = await firstStored(backend, candidates);
    if (name !== undefined) volumes.set(volume, name);
  });
}

async function firstStored(
  backend: Stores['backend'],
  candidates: readonly string[],
): Promise<string | undefined> {
  for (const name of candidates) if ((await backend.stat(name)) !== undefined) return name;
  return undefined;
}

function eachAtOnce<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const gate = new Gate(looksAtOnce);
  return Promise.all(items.map((item) => gate.run(() => act(item))));
}
