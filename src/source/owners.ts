import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Latin1 } from '../base/path-key.js';

/** Which list of accounts: `/etc/passwd` and what the name service adds to it, or `/etc/group`. */
export type AccountDatabase = 'passwd' | 'group';

/** Where accounts come from. `ask` looks one up by number or name and gives its line, as in the file. */
export interface AccountSource {
  read(database: AccountDatabase): Latin1;
  ask(database: AccountDatabase, key: string): Latin1 | undefined;
}

/** An account that is in no file costs a program call; past this many that nobody knows, no more is asked. */
const mostMisses = 4096;

/** Reserved: for chown it means no change. */
const noId = 0xffff_ffff;

/**
 * Names and numbers of users and groups. The files are read once, when first needed; what is not in them (LDAP and the
 * like) is asked of `getent`, once for each. Of entries that share a name or number the first stands.
 */
export class Owners {
  readonly #users: Accounts;
  readonly #groups: Accounts;

  constructor(source: AccountSource = systemAccounts()) {
    this.#users = new Accounts('passwd', source);
    this.#groups = new Accounts('group', source);
  }

  /** Empty if the number has no name. */
  userName(uid: number): Latin1 {
    return this.#users.nameOf(uid);
  }

  groupName(gid: number): Latin1 {
    return this.#groups.nameOf(gid);
  }

  userId(name: Latin1): number | undefined {
    return this.#users.idOf(name);
  }

  groupId(name: Latin1): number | undefined {
    return this.#groups.idOf(name);
  }
}

class Accounts {
  readonly #database: AccountDatabase;
  readonly #source: AccountSource;
  readonly #names = new Map<number, Latin1>();
  readonly #ids = new Map<Latin1, number | undefined>();
  #isRead = false;
  #misses = 0;

  constructor(database: AccountDatabase, source: AccountSource) {
    this.#database = database;
    this.#source = source;
  }

  nameOf(id: number): Latin1 {
    this.#readOnce();
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const found = this.#ask(String(id), (account) => account.id === id);
    if (found !== undefined || this.#misses < mostMisses) this.#names.set(id, found?.name ?? '');
    return found?.name ?? '';
  }

  idOf(name: Latin1): number | undefined {
    this.#readOnce();
    if (this.#ids.has(name)) return this.#ids.get(name);
    const key = askableName(name);
    if (key === undefined) return undefined;
    // A name of digits is looked up as a number: the answer counts only if it bears the name.
    const found = this.#ask(key, (account) => account.name === name);
    if (found !== undefined || this.#misses < mostMisses) this.#ids.set(name, found?.id);
    return found?.id;
  }

  #readOnce(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    for (const line of this.#source.read(this.#database).split('\n')) {
      const account = parseAccount(line);
      if (account === undefined) continue;
      if (!this.#names.has(account.id)) this.#names.set(account.id, account.name);
      if (!this.#ids.has(account.name)) this.#ids.set(account.name, account.id);
    }
  }

  #ask(key: string, isIt: (account: Account) => boolean): Account | undefined {
    if (this.#misses >= mostMisses) return undefined;
    const line = this.#source.ask(this.#database, key)?.split('\n', 1)[0];
    const account = line === undefined ? undefined : parseAccount(line);
    if (account !== undefined && isIt(account)) return account;
    this.#misses += 1;
    return undefined;
  }
}

interface Account {
  name: Latin1;
  id: number;
}

/** `name:password:number:…`, the beginning that passwd and group share; undefined for anything else. */
function parseAccount(line: Latin1): Account | undefined {
  const [name, , digits] = line.split(':', 3);
  if (name === undefined || digits === undefined || !/^\d{1,10}$/.test(digits)) return undefined;
  // A comment, or a reference to another name service.
  if (/^(?:$|[\s#+-])/.test(name)) return undefined;
  const id = Number(digits);
  return id < noId ? { name, id } : undefined;
}

/** The name as an argument of a program; undefined where no account can have it or no argument can hold it. */
function askableName(name: Latin1): string | undefined {
  if (name === '' || name.length > 256 || /[\0-\x20\x7f:]/.test(name)) return undefined;
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return Buffer.from(text, 'utf8').toString('latin1') === name ? text : undefined;
}

/** The accounts of this machine. */
function systemAccounts(): AccountSource {
  let hasGetent = true;
  return {
    read(database) {
      try {
        return readFileSync(`/etc/${database}`, 'latin1');
      } catch {
        return '';
      }
    },
    ask(database, key) {
      if (!hasGetent) return undefined;
      const done = spawnSync('getent', ['--', database, key], {
        encoding: 'latin1',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 10_000,
        maxBuffer: 16 * 1024 * 1024,
      });
      if (done.error !== undefined && 'code' in done.error && done.error.code === 'ENOENT') hasGetent = false;
      return done.status === 0 ? done.stdout : undefined;
    },
  };
}
