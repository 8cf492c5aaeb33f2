import { TundraError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { type Endpoint, storageEndpoints } from './catalogue.js';
import type { PasswordLogin, VariablePrefix } from './environment.js';
import { nonsense, statusFailure } from './failure.js';
import type { HttpAnswer, HttpClient } from './http.js';

/** What a login gives. */
export interface Grant {
  token: Secret;
  obtainedAtMs: number;
  /** From when on a new token should be asked for: shortly before this one ends, if that is known. */
  renewAtMs: number | undefined;
  /** Where the storage is: one address, or those of the service catalogue. */
  storage: string | readonly Endpoint[];
}

/** Catalogues of large clouds are some hundred kilobytes. */
const answerLimitBytes = 8 << 20;

/** Asks for a token. What the variables are called is for messages. */
export async function logIn(
  http: HttpClient,
  login: PasswordLogin,
  variables: VariablePrefix,
  nowMs: number,
): Promise<Grant> {
  const url = new URL(login.authUrl);
  const place = url.origin + url.pathname;
  const action = `log in at ${place}`;
  const { method, path, headers, body } = tokenRequests[login.version](login, url.pathname);
  const answer = await http.send({ action, method, origin: url.origin, path, headers, body });
  if (answer.status < 200 || answer.status >= 300) {
    await answer.drop();
    throw refusal(action, answer, login, variables, nowMs);
  }
  const grant = await readers[login.version](answer, action, nowMs);
  if (grant !== undefined) return grant;
  throw new TundraError('user-error', `could not ${action}: no token is given out there`, {
    advice: `Check ${variables}_AUTHURL and ${variables}_AUTHVERSION, which is ${login.version}.`,
  });
}

/** The error for a login that failed: which variables to look at. */
function refusal(
  action: string,
  { status, headers }: HttpAnswer,
  { version, userId }: PasswordLogin,
  variables: VariablePrefix,
  nowMs: number,
): TundraError {
  const named = (names: string[]) => names.map((name) => `${variables}_${name}`).join(', ');
  if (status === 401 || status === 403) {
    const names = [userId === undefined ? 'USERNAME' : 'USERID', 'PASSWORD'];
    if (version > 1) names.push('TENANTNAME', 'TENANTID');
    if (version === 3) names.push('USER_DOMAIN_NAME', 'PROJECT_DOMAIN_NAME');
    const text = `could not ${action}: ${status}, the user or the password is wrong`;
    return new TundraError('backend-permission', text, { advice: `Check ${named(names)}.` });
  }
  const failure = statusFailure(action, status, headers, nowMs);
  if (failure.retry !== 'never') return failure;
  const advice = `Check ${named(['AUTHURL', 'AUTHVERSION'])}; the version used is ${version}.`;
  return new TundraError('user-error', failure.message, { advice });
}

interface TokenRequest {
  method: 'GET' | 'POST';
  path: string;
  headers: Record<string, string>;
  body?: string;
}

/** Version 1 asks at the address itself, the others below it; an address without a version gets it. */
const tokenRequests: Record<1 | 2 | 3, (login: PasswordLogin, path: string) => TokenRequest> = {
  1: ({ user = '', password }, path) => ({
    method: 'GET',
    path,
    headers: { 'x-auth-user': headerValue(user), 'x-auth-key': headerValue(password.reveal()) },
  }),

  2: ({ user, password, tenantName, tenantId }, path) =>
    jsonRequest(`${versioned(path, 'v2.0')}/tokens`, {
      auth: {
        passwordCredentials: { username: user, password: password.reveal() },
        ...(tenantId === undefined ? { tenantName } : { tenantId }),
      },
    }),

  3: ({ user, userId, password, tenantName, tenantId, userDomain, projectDomain }, path) => {
    const who = userId === undefined ? { name: user, domain: userDomain } : { id: userId };
    return jsonRequest(`${versioned(path, 'v3')}/auth/tokens`, {
      auth: {
        identity: { methods: ['password'], password: { user: { ...who, password: password.reveal() } } },
        scope: {
          project: tenantId === undefined ? { name: tenantName, domain: projectDomain } : { id: tenantId },
        },
      },
    });
  },
};

function jsonRequest(path: string, body: object): TokenRequest {
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  return { method: 'POST', path, headers, body: JSON.stringify(body) };
}

function versioned(path: string, version: string): string {
  const plain = path.replace(/\/+$/, '');
  return /\/v[23](\.0)?$/.test(plain) ? plain : `${plain}/${version}`;
}

/** Text as bytes of UTF-8, which is how headers carry it. */
function headerValue(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

type Reader = (answer: HttpAnswer, action: string, nowMs: number) => Promise<Grant | undefined>;

/** How the versions answer. Undefined if that is no answer to a login, as from an address of another version. */
const readers: Record<1 | 2 | 3, Reader> = {
  1: async (answer, _action, obtainedAtMs) => {
    await answer.drop();
    const url = answer.headers['x-storage-url'];
    const token = answer.headers['x-storage-token'] ?? answer.headers['x-auth-token'];
    if (url === undefined || token === undefined || !URL.canParse(url)) return undefined;
    const lifeMs = Number(answer.headers['x-auth-token-expires'] ?? Number.NaN) * 1000;
    return { token: new Secret(token), obtainedAtMs, renewAtMs: renewal(obtainedAtMs, lifeMs), storage: url };
  },

  2: async (answer, action, obtainedAtMs) => {
    const access = (await readJson(answer, action)).access as
      | { token?: { id?: unknown; expires?: unknown; issued_at?: unknown }; serviceCatalog?: unknown }
      | undefined;
    const { id, expires, issued_at } = access?.token ?? {};
    return grantOf(id, issued_at, expires, access?.serviceCatalog, obtainedAtMs);
  },

  3: async (answer, action, obtainedAtMs) => {
    const id = answer.headers['x-subject-token'];
    const token = (await readJson(answer, action)).token as
      | { expires_at?: unknown; issued_at?: unknown; catalog?: unknown }
      | undefined;
    return grantOf(id, token?.issued_at, token?.expires_at, token?.catalog, obtainedAtMs);
  },
};

async function readJson(answer: HttpAnswer, action: string): Promise<Record<string, unknown>> {
  const value = await answer.json(answerLimitBytes);
  if (typeof value !== 'object' || value === null) throw nonsense(action, 'it is no object');
  return value as Record<string, unknown>;
}

function grantOf(
  id: unknown,
  issued: unknown,
  expires: unknown,
  catalogue: unknown,
  obtainedAtMs: number,
): Grant | undefined {
  if (typeof id !== 'string' || id === '') return undefined;
  // Both times are the server's: its clock may differ from ours.
  const areTold = typeof expires === 'string' && typeof issued === 'string';
  const lifeMs = areTold ? Date.parse(expires) - Date.parse(issued) : Number.NaN;
  const storage = storageEndpoints(catalogue);
  return { token: new Secret(id), obtainedAtMs, renewAtMs: renewal(obtainedAtMs, lifeMs), storage };
}

/** A token that ends in the middle of an upload costs that upload: it is renewed a twentieth of its life earlier. */
function renewal(obtainedAtMs: number, lifeMs: number): number | undefined {
  return lifeMs > 0 ? obtainedAtMs + lifeMs * 0.95 : undefined;
}
