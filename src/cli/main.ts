const unexpectedStatus = 30;
const backupNames = new Set(['backup', 'bu', 'full', 'fb', 'incremental', 'incr', 'inc', 'ib']);

/** The way in and the only way out: reads the command line, runs a command, ends with its exit status. */
async function main(): Promise<void> {
  if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2] as string)) {
    const { versionLine } = await import('./version.js');
    process.stdout.write(`${versionLine()}\n`);
    return;
  }
  // The walk of a backup takes longest: its thread starts while all else is loaded. For nothing if that is no command here.
  const isBackup = process.argv.some((word) => backupNames.has(word));
  const walkThread = isBackup ? (await import('../operations/prepare-walk.js')).prepareWalk() : undefined;
  const { catchSignals } = await import('./interruption.js');
  const interruption = catchSignals();
  // Whoever read our output may have gone, as `head` does: what was asked for is done all the same.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
  const { run } = await import('./run.js');
  // Where nothing is left that could end what a run waits for, the process ends: that is no success.
  let hasEnded = false;
  process.once('exit', (status) => {
    if (hasEnded || status !== 0) return;
    process.stderr.write(
      'tundra ended before its work was done. This is a defect of tundra: please report it.\n',
    );
    process.exitCode = unexpectedStatus;
  });
  process.exitCode = await run(process.argv.slice(2), process.env, interruption, walkThread);
  hasEnded = true;
  // What was interrupted may still be at work: connections, waits, threads.
  if (interruption.by !== undefined) process.exit();
}

void main();
