import { TundraError } from '../../base/errors.js';
import { displayBytes, type Latin1 } from '../../base/path-key.js';
import type { Account, Call } from './account.js';
import type { Place, VariablePrefix } from './environment.js';
import type { Headers } from './failure.js';
import type { HttpAnswer } from './http.js';

/** Where a container lies and what it must be like. */
export interface ContainerSettings {
  account: Account;
  place: Place;
  variables: VariablePrefix;
  name: Latin1;
  /** The storage policy it must have; undefined if any will do. */
  policy: string | undefined;
  /** What to do where the policy is another one. */
  policyAdvice: string;
}

const policyHeader = 'x-storage-policy';

/** A container, which is made when something is to be stored in it. */
export class Container {
  readonly name: Latin1;
  readonly #settings: ContainerSettings;
  #ready: Promise<void> | undefined;

  constructor(settings: ContainerSettings) {
    this.name = settings.name;
    this.#settings = settings;
  }

  /** Sends a request; see `Account.call`. Its path begins with the container's name, or another one's. */
  call(call: Call): Promise<HttpAnswer> {
    const { account, place, variables } = this.#settings;
    return account.call(call, place, variables);
  }

  /** Makes the container if it is missing. One with another policy than wanted is an error. */
  ensure(): Promise<void> {
    this.#ready ??= this.#prepare().catch((error) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** Makes a container for segments, with the policy of this one. */
  async ensureBeside(name: Latin1): Promise<void> {
    const action = `look at the container ${displayBytes(this.name)}`;
    const own = await this.call({ action, method: 'HEAD', path: this.name });
    await own.drop();
    const answer = await this.call({
      action: `make the container ${displayBytes(name)}`,
      method: 'PUT',
      path: name,
      // It is there already, perhaps with another policy: it will do.
      accept: [409],
      headers: policyHeaders(own.headers[policyHeader]),
    });
    await answer.drop();
  }

  /** Throws if a container that answers with these headers has another policy than wanted. */
  checkPolicy(headers: Headers): void {
    const { policy, policyAdvice } = this.#settings;
    const actual = headers[policyHeader];
    if (policy === undefined || actual === undefined || actual.toLowerCase() === policy.toLowerCase()) return;
    const name = displayBytes(this.name);
    const text = `the container ${name} has the storage policy ${actual} and not ${policy}`;
    throw new TundraError('user-error', text, { advice: policyAdvice });
  }

  async #prepare(): Promise<void> {
    const name = displayBytes(this.name);
    const action = `look at the container ${name}`;
    const found = await this.call({ action, method: 'HEAD', path: this.name, accept: [404] });
    await found.drop();
    if (found.status !== 404) return this.checkPolicy(found.headers);
    const { policy } = this.#settings;
    const made = await this.call({
      action: `make the container ${name}`,
      method: 'PUT',
      path: this.name,
      headers: policyHeaders(policy),
      accept: [400],
    });
    await made.drop();
    if (made.status !== 400) return;
    const reason = policy === undefined ? 'its name is not allowed' : `the storage has no policy ${policy}`;
    throw new TundraError('user-error', `could not make the container ${name}: ${reason}`);
  }
}

function policyHeaders(policy: string | undefined): Record<string, string> {
  return policy === undefined ? {} : { [policyHeader]: policy };
}
