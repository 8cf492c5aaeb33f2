import { errnoOf, messageOf } from '../base/errors.js';
import { displayBytes, type Latin1, type PathKey } from '../base/path-key.js';
import { unsupportedCodes, type XattrCalls, type XattrTarget } from '../base/xattrs.js';
import { type AclIds, aclBytes } from '../format/acl.js';
import {
  accessAcl,
  accessAclKey,
  defaultAcl,
  defaultAclKey,
  isKeptXattr,
  parseRecords,
  type RecordKinds,
  xattrName,
} from '../format/tar/records.js';

export interface RecordWriterOptions extends RecordKinds {
  /** Undefined where there are none. */
  calls: XattrCalls | undefined;
  /** Maps names in ACLs to numbers here; undefined to take the numbers in the backup. */
  ids: AclIds | undefined;
  /** Tells that an entry is restored without some of what was recorded: `what` it lacks, and `why`. */
  onLeftOut(key: PathKey, what: string, why: string): void;
}

/**
 * Gives restored entries the extended attributes and ACLs of their records. What a file system or the rights of the user do
 * not allow is told, and no error.
 *
 * With ACLs, an entry gets those of the backup and no others: none that it would inherit from a folder at the target.
 */
export class RecordWriter {
  readonly #options: RecordWriterOptions;

  constructor(options: RecordWriterOptions) {
    this.#options = options;
  }

  /**
   * Takes from a directory what its new entries would inherit, until `setAcls` gives it its own.
   *
   * @param isNew it was made just now: what it has inherited itself goes too
   * @param isKept it has no entry in the backup: then it stays as it is if it was there
   * @returns whether what is made in it inherits an ACL
   */
  enterDirectory(path: Latin1, { isNew, isKept }: { isNew: boolean; isKept: boolean }): boolean {
    const { acls, calls } = this.#options;
    if (!acls || calls === undefined) return false;
    try {
      const names = calls.names(path);
      if (isNew && names.includes(accessAcl)) calls.remove(path, accessAcl);
      if (!names.includes(defaultAcl)) return false;
      if (isKept && !isNew) return true;
      calls.remove(path, defaultAcl);
      return false;
    } catch (error) {
      return !unsupportedCodes.has(errnoOf(error));
    }
  }

  /** Takes an ACL away that an entry has inherited, or had. */
  removeAcl(key: PathKey, target: XattrTarget): void {
    const { acls, calls } = this.#options;
    if (!acls || calls === undefined) return;
    this.#attempt(key, 'exact permissions', () => {
      try {
        calls.remove(target, accessAcl);
      } catch (error) {
        if (!unsupportedCodes.has(errnoOf(error))) throw error;
      }
    });
  }

  /** Sets attributes: while the owner may still write, and after a change of owner, which takes capabilities away.
   * @param isOwned whether the entry has its owner: else it gets no capabilities */
  setXattrs(key: PathKey, target: XattrTarget, records: Latin1 | undefined, isOwned: boolean): void {
    const { xattrs, calls } = this.#options;
    if (records === undefined || !xattrs) return;
    for (const [recordKey, value] of parseRecords(records)) {
      const name = xattrName(recordKey);
      if (name === undefined || !isKeptXattr(name)) continue;
      const what = `${name.slice(0, name.indexOf('.'))}.* attributes`;
      if (name.includes('\0')) this.#options.onLeftOut(key, what, 'a name holds a NUL');
      else if (name === 'security.capability' && !isOwned)
        this.#options.onLeftOut(key, 'capabilities', 'the owner was not restored');
      else if (calls === undefined) this.#options.onLeftOut(key, what, noCalls);
      else this.#attempt(key, what, () => calls.set(target, name, Buffer.from(value, 'latin1')));
    }
  }

  /** Sets ACLs, after the permissions: with an ACL, those of the group stand for its mask. */
  setAcls(key: PathKey, target: XattrTarget, records: Latin1 | undefined): void {
    const { acls, calls, ids } = this.#options;
    if (records === undefined || !acls) return;
    for (const [recordKey, value] of parseRecords(records)) {
      const name =
        recordKey === accessAclKey ? accessAcl : recordKey === defaultAclKey ? defaultAcl : undefined;
      if (name === undefined) continue;
      const bytes = aclBytes(value, ids);
      if (typeof bytes === 'string') this.#options.onLeftOut(key, 'ACLs', displayBytes(bytes));
      else if (calls === undefined) this.#options.onLeftOut(key, 'ACLs', noCalls);
      else this.#attempt(key, 'ACLs', () => calls.set(target, name, bytes));
    }
  }

  #attempt(key: PathKey, what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      const code = errnoOf(error);
      const why = unsupportedCodes.has(code)
        ? 'the file system has none'
        : code === 'EPERM' && process.geteuid?.() !== 0
          ? 'only root may set them'
          : messageOf(error);
      this.#options.onLeftOut(key, what, why);
    }
  }
}

const noCalls = 'the package koffi is missing, or has no binary for this machine';
