import { createHash } from 'node:crypto';
import type { ByteStream } from '../../base/bytes.js';
import { TundraError } from '../../base/errors.js';
import type { Latin1 } from '../../base/path-key.js';
import { type Grant, logIn } from './auth.js';
import { storageUrlAt } from './catalogue.js';
import type { AccountSettings, Place, VariablePrefix } from './environment.js';
import { type Action, statusFailure } from './failure.js';
import { type HttpAnswer, HttpClient, type HttpOptions, proxiesOf } from './http.js';
import { percentEncode, percentEncodePath } from './percent.js';

/** A request to the storage of an account. */
export interface Call {
  action: Action;
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** The container, and behind a slash the object. */
  path: Latin1;
  query?: Readonly<Record<string, Latin1>> | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** Opens the body, anew for each time the request is sent. */
  body?: (() => string | ByteStream) | undefined;
  /** Statuses outside 200 to 299 that are no failure. */
  accept?: readonly number[] | undefined;
}

/** A token younger than this is not the reason for a 498, which some storages send to slow a caller down. */
const freshTokenMs = 5 * 60_000;

/** An account of a cloud: its token, which all who use the account share, and its connections. */
export class Account {
  readonly #settings: AccountSettings;
  readonly #http: HttpClient;
  readonly #now: () => number;
  /** The newest token, and before it has come the promise of it. */
  #wanted: Promise<Grant> | undefined;
  #grant: Grant | undefined;

  constructor(settings: AccountSettings, http: HttpOptions, now: () => number = Date.now) {
    this.#settings = settings;
    this.#http = new HttpClient(http);
    this.#now = now;
  }

  /**
   * Sends a request to the storage at a place. A token that is not accepted (401, 498) is renewed, once. A status that
   * is not accepted is an error, whose body is dropped; the caller must read or drop the body of an answer.
   */
  async call(call: Call, place: Place, variables: VariablePrefix): Promise<HttpAnswer> {
    let grant = await this.#currentGrant();
    for (let isRenewed = false; ; isRenewed = true) {
      const answer = await this.#send(call, grant, place, variables);
      const { status, headers } = answer;
      if ((status >= 200 && status < 300) || call.accept?.includes(status)) return answer;
      await answer.drop();
      if (isRenewed || !this.#isStale(status, grant, headers)) {
        const failure = statusFailure(call.action, status, headers, this.#now());
        if (status !== 401 || this.#settings.login.kind === 'password') throw failure;
        const advice = `It has probably ended: set ${variables}_PREAUTHTOKEN to a new one.`;
        throw new TundraError(failure.code, failure.message, { advice });
      }
      grant = await this.#renewed(grant);
    }
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  #send(call: Call, grant: Grant, place: Place, variables: VariablePrefix): Promise<HttpAnswer> {
    const { storage, token } = grant;
    const url = new URL(typeof storage === 'string' ? storage : storageUrlAt(storage, place, variables));
    const query = Object.entries(call.query ?? {}).map(([name, value]) => `${name}=${percentEncode(value)}`);
    return this.#http.send({
      action: call.action,
      method: call.method,
      origin: url.origin,
      path:
        `${url.pathname.replace(/\/+$/, '')}/${percentEncodePath(call.path)}` +
        (query.length === 0 ? '' : `?${query.join('&')}`),
      headers: { 'x-auth-token': token.reveal(), ...call.headers },
      body: call.body?.(),
    });
  }

  /** Whether a new token may help. */
  #isStale(status: number, grant: Grant, headers: HttpAnswer['headers']): boolean {
    if (this.#settings.login.kind === 'token') return false;
    if (status === 401) return true;
    const isOld = this.#now() - grant.obtainedAtMs > freshTokenMs;
    return status === 498 && isOld && headers['retry-after'] === undefined;
  }

  /** The token in use. Those who ask while it is being got wait for the same one. */
  async #currentGrant(): Promise<Grant> {
    const grant = await (this.#wanted ?? this.#newGrant());
    const { renewAtMs } = grant;
    return renewAtMs !== undefined && this.#now() > renewAtMs ? this.#renewed(grant) : grant;
  }

  /** A token in place of one that is not accepted: the one that another call has asked for meanwhile, or a new one. */
  #renewed(stale: Grant): Promise<Grant> {
    if (this.#grant === stale || this.#wanted === undefined) return this.#newGrant();
    return this.#wanted;
  }

  #newGrant(): Promise<Grant> {
    this.#grant = undefined;
    const wanted = this.#logIn();
    this.#wanted = wanted;
    wanted.then(
      (grant) => {
        this.#grant = grant;
      },
      // A failure is told to those who wait for it; the next call tries again.
      () => {
        this.#wanted = undefined;
      },
    );
    return wanted;
  }

  async #logIn(): Promise<Grant> {
    const { login, variables } = this.#settings;
    if (login.kind === 'password') return logIn(this.#http, login, variables, this.#now());
    const { storageUrl, token } = login;
    return { token, obtainedAtMs: 0, renewAtMs: undefined, storage: storageUrl };
  }
}

/** The accounts in use: stores that log in alike share one. */
export class Accounts {
  readonly #open = new Map<string, { account: Account; users: number }>();

  /** The account for a login. Whoever got it must call `release` once. */
  use(settings: AccountSettings, http: HttpOptions): { account: Account; release(): Promise<void> } {
    const key = keyOf(settings, http);
    const entry = this.#open.get(key) ?? { account: new Account(settings, http), users: 0 };
    this.#open.set(key, entry);
    entry.users++;
    let isReleased = false;
    const release = async () => {
      if (isReleased) return;
      isReleased = true;
      entry.users--;
      if (entry.users > 0) return;
      this.#open.delete(key);
      await entry.account.close();
    };
    return { account: entry.account, release };
  }
}

/** What must be the same for two stores to share an account. The hash keeps passwords out of the keys. */
function keyOf({ login }: AccountSettings, { timeoutMs, env }: HttpOptions): string {
  const secret = login.kind === 'password' ? login.password : login.token;
  const parts = JSON.stringify([login, secret.reveal(), timeoutMs, proxiesOf(env)]);
  return createHash('sha256').update(parts).digest('hex');
}
