// Builds everything the command line, the tests and the benchmarks need into dist/.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Runs a program of a development dependency with this very Node. */
function run(packageName, binary, args) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const script = join(dirname(manifest), require(manifest).bin[binary]);
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
}

mkdirSync(join(root, 'dist/src/rsync'), { recursive: true });
run('assemblyscript', 'asc', [
  'src/rsync/kernel/kernel.ts',
  '--outFile',
  'dist/src/rsync/kernel.wasm',
  '--runtime',
  'stub',
  '--enable',
  'simd',
  '-O3',
  '--noAssert',
  '--use',
  'abort=',
]);
run('typescript', 'tsc', ['-p', '.']);
