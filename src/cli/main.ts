const unexpectedStatus = 30;

/** The way in and the only way out: reads the command line, runs a command, ends with its exit status. */
async function main(): Promise<void> {
  if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2] as string)) {
    const { versionLine } = await import('./version.js');
    process.stdout.write(`${versionLine()}\n`);
    return;
  }
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
  process.exitCode = await run(process.argv.slice(2), process.env, interruption);
  hasEnded = true;
  // What was interrupted may still be at work: connections, waits, threads.
  if (interruption.by !== undefined) process.exit();
}

void main();
