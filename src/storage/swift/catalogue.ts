import { TundraError } from '../../base/errors.js';
import type { Place, VariablePrefix } from './environment.js';

/** Where one service of an account answers. */
export interface Endpoint {
  region: string;
  /** `public`, `internal` or `admin`. */
  type: string;
  url: string;
}

const serviceType = 'object-store';

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/**
 * The storage endpoints in a service catalogue of Keystone. Version 3 has an entry for each type
 * (`{interface, region, url}`), version 2 one for each region (`{region, publicURL, internalURL, adminURL}`). What
 * does not look so is left out.
 */
export function storageEndpoints(catalogue: unknown): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const service of Array.isArray(catalogue) ? catalogue : []) {
    if (!isRecord(service) || service.type !== serviceType || !Array.isArray(service.endpoints)) continue;
    for (const entry of service.endpoints) {
      if (!isRecord(entry)) continue;
      const named = entry.region ?? entry.region_id;
      const region = typeof named === 'string' ? named : '';
      if (typeof entry.interface === 'string' && typeof entry.url === 'string') {
        endpoints.push({ region, type: entry.interface, url: entry.url });
      }
      for (const type of ['public', 'internal', 'admin']) {
        const url = entry[`${type}URL`];
        if (typeof url === 'string') endpoints.push({ region, type, url });
      }
    }
  }
  return endpoints.filter(({ url }) => URL.canParse(url));
}

/** The address of the storage that is meant. If there is none the error tells which there are. */
export function storageUrlAt(
  endpoints: readonly Endpoint[],
  place: Place,
  variables: VariablePrefix,
): string {
  const refuse = (text: string, advice?: string) => new TundraError('user-error', text, { advice });
  if (endpoints.length === 0) {
    throw refuse(
      'the account has no object storage in its service catalogue',
      `Check the project: ${variables}_TENANTNAME or ${variables}_TENANTID.`,
    );
  }
  const regions = endpoints.filter(
    ({ region }) => place.region === undefined || region.toLowerCase() === place.region.toLowerCase(),
  );
  if (regions.length === 0) {
    const known = [...new Set(endpoints.map(({ region }) => region))].sort().join(', ');
    throw refuse(
      `there is no object storage in the region ${place.region}; there is in ${known}`,
      `Set ${variables}_REGIONNAME.`,
    );
  }
  const found = regions.find(({ type }) => type === place.endpointType);
  if (found === undefined) {
    const known = [...new Set(regions.map(({ type }) => type))].sort().join(', ');
    throw refuse(
      `the object storage has no endpoint of the type ${place.endpointType}; it has ${known}`,
      `Set ${variables}_ENDPOINT_TYPE.`,
    );
  }
  return found.url;
}
