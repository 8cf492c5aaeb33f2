import { existsSync, readFileSync } from 'node:fs';

/** The version, as package.json has it. */
export function version(): string {
  let file = new URL('./package.json', import.meta.url);
  while (!existsSync(file)) file = new URL('../package.json', file);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

export function versionLine(): string {
  return `tundra ${version()}`;
}
