import { TundraError } from '../base/errors.js';
import { refetch } from '../chain/synchronise.js';
import { withUnlisted } from '../chain/unlisted.js';
import { metadataStores, type Session, tell } from './session.js';

/** Fetches a file of the local archive, which is damaged as `problem` says, from the storage again; told as a warning. */
export async function refetchDamaged(session: Session, localName: string, problem: string): Promise<void> {
  tell(session, 'warning', `${problem}\nIt is fetched from the storage again.`);
  const stores = metadataStores(session);
  const listed = (await session.backend.list()).map(({ name }) => name);
  try {
    await refetch(stores, await withUnlisted(stores, listed, [localName]), localName);
  } catch (cause) {
    if (!(cause instanceof TundraError)) throw cause;
    throw new TundraError(cause.code, `${problem}; it cannot be fetched again: ${cause.message}`, {
      cause,
      advice: cause.advice,
      retry: cause.retry,
    });
  }
}

/** Mends the local archive for work that reads it: each file once. */
export class ArchiveMender {
  readonly #session: Session;
  readonly #mended = new Set<string>();

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Where an error says that a file of the local archive is damaged, fetches that file from the storage again, with a
   * warning. True if the work that met the error may begin anew; false if the error is another one, or that file was
   * fetched before. The error may come from another thread. Errors: those of the storage, if it cannot give the file.
   */
  async mend(error: unknown): Promise<boolean> {
    if (!(error instanceof TundraError) || error.code !== 'bad-archive-dir') return false;
    const name = await this.#nameIn(error.message);
    if (name === undefined || this.#mended.has(name)) return false;
    this.#mended.add(name);
    await refetchDamaged(this.#session, name, error.message);
    return true;
  }

  /** The archive's file whose path a message begins with. */
  async #nameIn(message: string): Promise<string | undefined> {
    const { archive } = this.#session;
    const names = await archive.list();
    return names.find((name) => message.startsWith(`${archive.pathOf(name)} is damaged`));
  }
}

/** Does some work on the local archive; where it meets a damaged file, that is mended, and the work done anew. */
export async function withMendedArchive<Result>(
  session: Session,
  work: () => Promise<Result>,
): Promise<Result> {
  const mender = new ArchiveMender(session);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(await mender.mend(error))) throw error;
    }
  }
}
