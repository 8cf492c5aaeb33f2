import { rm, writeFile } from 'node:fs/promises';
import { TundraError } from '../base/errors.js';
import type { BackupSet } from '../chain/catalog.js';
import type { Checkpoint } from '../chain/checkpoint.js';
import type { SetNames } from '../chain/set-writer.js';
import { newTempPath, type Session, tell } from './session.js';

/** What tells a later run whether it would seal as this one does. */
export type SealingNote = Pick<Checkpoint, 'token' | 'keys'>;

const tokenText = Buffer.from('The passphrase of this text is that of the interrupted backup.\n');
/** As much of a message as shows whether a passphrase fits it. */
const headBytes = 64 * 1024;

export async function sealingNote(session: Session): Promise<SealingNote> {
  const { cipher, isSymmetric, recipients } = session;
  if (!isSymmetric) return { token: undefined, keys: cipher.encrypted ? recipients : undefined };
  const pieces: Buffer[] = [];
  const writer = cipher.seal((piece) => void pieces.push(Buffer.from(piece)));
  try {
    await writer.write(tokenText);
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return { token: Buffer.concat(pieces).toString('base64'), keys: undefined };
}

/**
 * Makes sure that this run seals as the interrupted one did: all volumes of a set must open with the same passphrase.
 *
 * @throws TundraError `encryption-mismatch`
 */
export async function checkSealing(
  session: Session,
  set: BackupSet,
  names: SetNames,
  noted: SealingNote | undefined,
): Promise<void> {
  for (const [number, name] of set.volumes) {
    if (name !== names.volume(number)) {
      throw mismatch(
        `${name} is not sealed as this run would seal, which would make it ${names.volume(number)}`,
      );
    }
  }
  const { cipher, isSymmetric, recipients } = session;
  if (isSymmetric) {
    const fits =
      noted?.token === undefined
        ? await opensFirstVolume(session, set, names)
        : await opensToken(session, noted.token);
    if (!fits) throw mismatch('the passphrase is not the one of the interrupted backup');
  } else if (cipher.encrypted && noted?.keys !== undefined && noted.keys.join() !== recipients.join()) {
    throw mismatch(`the interrupted backup is encrypted to ${noted.keys.join(', ')}`);
  }
}

async function opensToken(session: Session, token: string): Promise<boolean> {
  const path = newTempPath(session, 'token');
  try {
    await writeFile(path, Buffer.from(token, 'base64'), { flag: 'wx', mode: 0o600 });
    const { bytes } = await session.opener.open(
      path,
      { encrypted: true, compressed: false },
      'the checkpoint',
    );
    for await (const _ of bytes);
    return true;
  } catch (error) {
    if (error instanceof TundraError && error.code === 'encryption') return false;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Whether the passphrase fits the first volume, by its first bytes. In cold storage that is not worth a thaw, and without
 * that volume nothing of the set can be used.
 */
async function opensFirstVolume(session: Session, set: BackupSet, names: SetNames): Promise<boolean> {
  if (!set.volumes.has(1)) return true;
  const { backend, opener } = session;
  const name = names.volume(1);
  const sealed = (await backend.cold?.survey())?.find(
    (object) => object.name === name && object.state !== 'ready',
  );
  if (sealed !== undefined) {
    tell(
      session,
      'warning',
      `${name} lies in cold storage: whether the passphrase is the one of the interrupted backup is not checked.`,
    );
    return true;
  }
  const path = newTempPath(session, 'volume-head');
  try {
    await writeFile(path, await headOf(await backend.get(name)), { flag: 'wx', mode: 0o600 });
    return (await opener.checkKey(path, name)) ?? true;
  } catch (error) {
    // Cut off, or no message at all.
    if (error instanceof TundraError && error.code === 'encryption') return false;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

async function headOf(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    pieces.push(Buffer.from(piece));
    size += piece.length;
    if (size >= headBytes) break;
  }
  return Buffer.concat(pieces);
}

function mismatch(what: string): TundraError {
  return new TundraError(
    'encryption-mismatch',
    `The last backup was interrupted, and cannot be gone on with: ${what}`,
    {
      advice:
        'Run it with the passphrase and options of the interrupted backup, or give that up with "cleanup --force" and begin anew.',
    },
  );
}
