import { TundraError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';

export type Environment = Readonly<Record<string, string | undefined>>;
/** What the names of the variables begin with. */
export type VariablePrefix = 'SWIFT' | 'PCA';
export type AuthVersion = 1 | 2 | 3;

/** A domain of Keystone, by its id or its name. */
export type Domain = { id: string } | { name: string };

/** A login by user name and password. */
export interface PasswordLogin {
  kind: 'password';
  version: AuthVersion;
  authUrl: string;
  user: string | undefined;
  userId: string | undefined;
  password: Secret;
  tenantName: string | undefined;
  tenantId: string | undefined;
  userDomain: Domain;
  projectDomain: Domain;
}

/** A token that was got elsewhere. */
export interface TokenLogin {
  kind: 'token';
  storageUrl: string;
  token: Secret;
}

/** Which of an account's services is meant. */
export interface Place {
  region: string | undefined;
  /** `public`, `internal` or `admin`. */
  endpointType: string;
}

/** All that the environment says about an account. */
export interface AccountSettings {
  variables: VariablePrefix;
  login: PasswordLogin | TokenLogin;
  place: Place;
}

const versions: ReadonlyMap<string, AuthVersion> = new Map([
  ['1', 1],
  ['1.0', 1],
  ['2', 2],
  ['2.0', 2],
  ['3', 3],
  ['3.0', 3],
]);
const defaultVersion: Record<VariablePrefix, AuthVersion> = { SWIFT: 1, PCA: 2 };

/**
 * Reads the variables of an account. `SWIFT_` and `PCA_` have the same: USERNAME PASSWORD AUTHURL AUTHVERSION TENANTNAME
 * TENANTID USERID USER_DOMAIN_NAME USER_DOMAIN_ID PROJECT_DOMAIN_NAME PROJECT_DOMAIN_ID ENDPOINT_TYPE REGIONNAME, or
 * PREAUTHURL and PREAUTHTOKEN. What is missing or cannot be is a `user-error` that names the variables and no secret.
 */
export function readAccount(env: Environment, variables: VariablePrefix, address: string): AccountSettings {
  const value = (name: string) => env[`${variables}_${name}`] || undefined;
  const refuse = (text: string, advice?: string) =>
    new TundraError('user-error', `cannot open ${address}: ${text}`, { advice });
  const place = {
    region: value('REGIONNAME'),
    endpointType: endpointTypeOf(value('ENDPOINT_TYPE') ?? 'public'),
  };

  const preAuthUrl = value('PREAUTHURL');
  const preAuthToken = value('PREAUTHTOKEN');
  if (preAuthUrl !== undefined && preAuthToken !== undefined) {
    if (!isHttpUrl(preAuthUrl)) throw refuse(`${variables}_PREAUTHURL is no http:// or https:// address`);
    const login = { kind: 'token' as const, storageUrl: preAuthUrl, token: new Secret(preAuthToken) };
    return { variables, place, login };
  }

  const said = value('AUTHVERSION');
  const version = said === undefined ? defaultVersion[variables] : versions.get(said);
  if (version === undefined) {
    throw refuse(`${variables}_AUTHVERSION is ${JSON.stringify(said)} where 1, 2 and 3 are known`);
  }
  const authUrl = value('AUTHURL');
  const password = value('PASSWORD');
  const userId = version === 3 ? value('USERID') : undefined;
  let user = value('USERNAME');
  let tenantName = value('TENANTNAME');
  const tenantId = value('TENANTID');
  // Keystone's old way to name both in one.
  const [, tenantOfUser, nameOfUser] = /^([^:]+):([^:]+)$/.exec(user ?? '') ?? [];
  if (version > 1 && tenantOfUser !== undefined && tenantName === undefined && tenantId === undefined) {
    tenantName = tenantOfUser;
    user = nameOfUser;
  }

  const missing: string[] = [];
  if (authUrl === undefined) missing.push(`${variables}_AUTHURL`);
  if (user === undefined && userId === undefined) missing.push(`${variables}_USERNAME`);
  if (password === undefined) missing.push(`${variables}_PASSWORD`);
  if (version > 1 && tenantName === undefined && tenantId === undefined) {
    missing.push(`${variables}_TENANTNAME or ${variables}_TENANTID`);
  }
  if (authUrl === undefined || password === undefined || missing.length > 0) {
    throw refuse(
      `the environment does not say ${missing.join(', ')}`,
      `Set ${missing.length === 1 ? 'it' : 'them'}, or ${variables}_PREAUTHURL and ${variables}_PREAUTHTOKEN.`,
    );
  }
  if (!isHttpUrl(authUrl)) throw refuse(`${variables}_AUTHURL is no http:// or https:// address`);
  const versionOfUrl = /\/v([23])(?:\.0)?\/*$/.exec(authUrl)?.[1];
  if (version > 1 && versionOfUrl !== undefined && Number(versionOfUrl) !== version) {
    const kind = said === undefined ? ', the default' : '';
    throw refuse(
      `${variables}_AUTHURL is for version ${versionOfUrl}, and ${variables}_AUTHVERSION is ${version}${kind}`,
      `Set ${variables}_AUTHVERSION to ${versionOfUrl}.`,
    );
  }
  const domain = (kind: string): Domain => {
    const id = value(`${kind}_DOMAIN_ID`);
    return id === undefined ? { name: value(`${kind}_DOMAIN_NAME`) ?? 'Default' } : { id };
  };
  return {
    variables,
    place,
    login: {
      kind: 'password',
      version,
      authUrl,
      user,
      userId,
      password: new Secret(password),
      tenantName,
      tenantId,
      userDomain: domain('USER'),
      projectDomain: domain('PROJECT'),
    },
  };
}

/** `publicURL`, as version 2 calls it, is `public`. */
function endpointTypeOf(text: string): string {
  return text.replace(/URL$/i, '').toLowerCase();
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
