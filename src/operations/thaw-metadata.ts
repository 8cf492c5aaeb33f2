import { TundraError } from '../base/errors.js';
import { beginThaw } from './cold-volumes.js';
import { type Session, tell } from './session.js';

/** What is done about metadata in cold storage: nothing, an error after it was asked for, or to wait for it as well. */
export type SealedMetadata = 'leave' | 'ask' | 'wait';

/**
 * Manifests and signatures belong in hot storage. Where some have got into cold storage all the same, all that are
 * missing here are told by name, and asked for at once. Error: `not-thawed`, unless they are waited for.
 */
export async function thawMetadata(
  session: Session,
  missing: readonly string[],
  what: SealedMetadata,
): Promise<void> {
  const { cold } = session.backend;
  if (cold === undefined || missing.length === 0) return;
  const names = new Set(missing);
  const sealed = (await cold.survey()).filter(({ name, state }) => names.has(name) && state !== 'ready');
  if (sealed.length === 0) return;
  const list = sealed.map(({ name }) => `\t${name}`).join('\n');
  tell(
    session,
    'warning',
    `Manifests and signatures lie in cold storage, where every run that needs them must wait:\n${list}\n` +
      'Keep them in hot storage: give them a prefix of their own (--file-prefix-manifest, --file-prefix-signature), send ' +
      'that to a hot store, and exempt it from lifecycle rules.',
  );
  const files = sealed.length === 1 ? '1 file of metadata' : `${sealed.length} files of metadata`;
  if (what === 'leave') {
    throw new TundraError('not-thawed', `${files} must be thawed first.`, {
      advice:
        'Run "thaw", which asks for them; or "thaw --wait", which waits for them and then asks for volumes.',
    });
  }
  const thaw = await beginThaw(
    session,
    sealed.map(({ name }) => name),
    'file',
  );
  try {
    if (what === 'wait') return await thaw.allReady();
    if (thaw.objects.every(({ state }) => state === 'ready')) return;
  } finally {
    await thaw.stop();
  }
  throw new TundraError('not-thawed', `${files} asked for and not ready yet.`, {
    advice: 'Run the same command later, or "thaw --wait": what was asked for is not asked for twice.',
  });
}
