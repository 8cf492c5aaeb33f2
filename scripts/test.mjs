// Runs every built test file with Node's own test runner.
// `npm test -- PATTERN ...` runs the files whose path contains one of the patterns.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const openStackModule = join(root, 'dist/test/services/openstack.js');

/** Whether a module imports Swift and Keystone: by itself, or through other modules of the tests. */
function usesOpenStack(file, seen = new Set()) {
  if (file === openStackModule) return true;
  if (seen.has(file) || !file.startsWith(join(root, 'dist/test')) || !existsSync(file)) return false;
  seen.add(file);
  const imported = [...readFileSync(file, 'utf8').matchAll(/from '(\.[^']+\.js)'/g)];
  return imported.some(([, path]) => usesOpenStack(resolve(dirname(file), path), seen));
}

/** Starts Swift and Keystone once for all test files, where one needs them and nobody has started them already. */
async function startServices(files) {
  if (!files.some((file) => usesOpenStack(join(root, file)))) return undefined;
  const { openStackPeers, openStackVariable, startOpenStack } = await import(openStackModule);
  const { hasProgram } = await import(join(root, 'dist/test/peers.js'));
  if (process.env[openStackVariable] || !openStackPeers.every(hasProgram)) return undefined;
  const services = await startOpenStack();
  process.env[openStackVariable] = services.description;
  return services;
}

const patterns = process.argv.slice(2);
const isWanted = (name) =>
  name.endsWith('.test.js') && (patterns.length === 0 || patterns.some((pattern) => name.includes(pattern)));
const files = ['dist/src', 'dist/test', 'dist/bench']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, String(name))),
  )
  .filter((name) => isWanted(name))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(' ')}`);
  process.exit(2);
}
const services = await startServices(files);
const options = ['--test', '--test-concurrency=2', '--test-reporter=spec'];
const tests = spawn(process.execPath, [...options, ...files], { cwd: root, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => tests.kill(signal));
const [status] = await once(tests, 'exit');
await services?.stop();
process.exitCode = status ?? 1;
