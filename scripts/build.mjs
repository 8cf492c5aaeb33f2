// Builds everything the command line, the tests and the benchmarks need into dist/.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Runs a program of a development dependency with this very Node. */
function run(packageName, binary, args) {
  const manifest = require.resolve(`${packageName}/package.json`);
  const script = join(dirname(manifest), require(manifest).bin[binary]);
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
}

/**
 * Puts what the command line loads into few files: a start then reads some, not a hundred. They are CommonJS, which starts
 * in less time than modules do, in each thread anew.
 */
async function bundle() {
  const source = join(root, 'src');
  const outdir = join(root, 'dist/app');
  rmSync(outdir, { recursive: true, force: true });
  const common = {
    outdir,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20.18',
    // Packages stay as they are, and are loaded when a command needs them.
    packages: 'external',
    logLevel: 'warning',
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  };
  // Whoever asks for the version need not load all else.
  await build({
    ...common,
    entryPoints: { main: join(source, 'cli/main.ts') },
    external: ['./run.js'],
    supported: { 'dynamic-import': false },
  });
  await build({ ...common, entryPoints: { run: join(source, 'cli/run.ts') } });
  const names = readdirSync(source, { recursive: true }).map(String);
  const threads = names.filter((name) => /-(thread|worker)\.ts$/.test(name));
  await build({
    ...common,
    entryPoints: Object.fromEntries(threads.map((name) => [basename(name, '.ts'), join(source, name)])),
  });
  const { version } = require('../package.json');
  writeFileSync(join(outdir, 'package.json'), `${JSON.stringify({ type: 'commonjs', version })}\n`);
  for (const name of readdirSync(join(root, 'dist/src'), { recursive: true }).map(String)) {
    if (name.endsWith('.wasm')) copyFileSync(join(root, 'dist/src', name), join(outdir, basename(name)));
  }
}

/** Compiles a kernel from AssemblyScript to WebAssembly. */
function buildKernel(source, target, more = []) {
  mkdirSync(dirname(join(root, target)), { recursive: true });
  const options = ['--runtime', 'stub', '--enable', 'simd', '-O3', '--noAssert', '--use', 'abort='];
  run('assemblyscript', 'asc', [source, '--outFile', target, ...options, ...more]);
}

buildKernel('src/rsync/kernel/kernel.ts', 'dist/src/rsync/kernel.wasm');
const shared = [
  '--enable',
  'threads',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '1',
  '--maximumMemory',
  '1024',
];
buildKernel('src/rsync/kernel/signing.ts', 'dist/src/rsync/signing.wasm', shared);
buildKernel('src/seal/kernel/kernel.ts', 'dist/src/seal/deflate.wasm');
buildKernel('src/seal/inflate-kernel/kernel.ts', 'dist/src/seal/inflate.wasm');
run('typescript', 'tsc', ['-p', '.']);
await bundle();
