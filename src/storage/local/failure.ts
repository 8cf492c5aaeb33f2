import { type ErrorCode, type ErrorDetails, errnoOf, messageOf, TundraError } from '../../base/errors.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';

/** What an errno of the disk means for a storage. What is not listed is a `backend` error that will not pass. */
const meanings: Record<string, { code: ErrorCode } & ErrorDetails> = {
  ENOENT: { code: 'backend-not-found' },
  ENOSPC: { code: 'backend-no-space', advice: 'Free some space in the target folder, then run it again.' },
  EDQUOT: { code: 'backend-no-space', advice: 'Raise the disk quota or free some space, then run it again.' },
  EACCES: { code: 'backend-permission', advice: 'Give this user the right to use the target folder.' },
  EPERM: { code: 'backend-permission', advice: 'Give this user the right to use the target folder.' },
  EROFS: { code: 'backend-permission', advice: 'The target folder is on a disk that is mounted read-only.' },
  ENOTDIR: { code: 'backend', advice: 'The target must be a folder.' },
  EIO: { code: 'backend', retry: 'later' },
  ESTALE: { code: 'backend', retry: 'later' },
  ETIMEDOUT: { code: 'backend', retry: 'later' },
  EBUSY: { code: 'backend', retry: 'later' },
  EMFILE: { code: 'backend', retry: 'later' },
  ENFILE: { code: 'backend', retry: 'later' },
  EAGAIN: { code: 'backend', retry: 'now' },
  EINTR: { code: 'backend', retry: 'now' },
};

/** The storage error for a failed disk call: `action` says what was tried (`could not list`), `path` on what. */
export function diskFailure(action: string, path: Latin1, cause: unknown): TundraError {
  const { code, advice, retry } = meanings[errnoOf(cause) ?? ''] ?? { code: 'backend' as const };
  return new TundraError(code, `${action} ${displayBytes(path)}: ${messageOf(cause)}`, {
    advice,
    retry,
    cause,
  });
}
