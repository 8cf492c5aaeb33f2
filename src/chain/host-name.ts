import { lookup, lookupService } from 'node:dns/promises';
import { hostname } from 'node:os';

/** The host's fully qualified name, as the resolver knows it; undefined if it knows none. */
export async function fullHostname(): Promise<string | undefined> {
  try {
    const { address } = await lookup(hostname());
    const { hostname: name } = await lookupService(address, 0);
    return name;
  } catch {
    return undefined;
  }
}
