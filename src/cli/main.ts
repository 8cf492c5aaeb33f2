/** The way in and the only way out: reads the command line, runs a command, ends with its exit status. */
import { constants } from 'node:os';

if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2] as string)) {
  const { versionLine } = await import('./version.js');
  process.stdout.write(`${versionLine()}\n`);
} else {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Leaving through `exit` lets the run's temporary files be removed.
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read our output has gone, as `head` does: there is nobody left to tell.
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  const { run } = await import('./run.js');
  process.exitCode = await run(process.argv.slice(2), process.env);
}
