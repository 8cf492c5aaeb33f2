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
  // Whoever read our output may have gone, as `head` does: what was asked for is done all the same.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  const { run } = await import('./run.js');
  process.exitCode = await run(process.argv.slice(2), process.env);
}
