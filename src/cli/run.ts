import { messageOf, TundraError } from '../base/errors.js';
import { commandFor } from './commands/index.js';
import { asksForHelp, readInvocation } from './invocation.js';
import { createTerminal } from './terminal.js';
import { versionLine } from './version.js';

const defaultVerbosity = 3;

/** Runs a command line and returns the exit status. Every error ends here. */
export async function run(argv: string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const terminal = createTerminal(defaultVerbosity);
  try {
    const { line, environment: ownEnvironment, messages } = await readInvocation(argv, environment);
    terminal.verbosity = line.options.number('verbosity') ?? defaultVerbosity;
    if (line.options.flag('version')) {
      terminal.out(versionLine());
      return 0;
    }
    if (asksForHelp(line)) {
      const { helpText } = await import('./help.js');
      terminal.out(helpText(line));
      return 0;
    }
    const tell = line.options.flag('json') ? terminal.errEvent : terminal.event;
    for (const { level, text } of messages) tell({ kind: 'message', level, text });
    return await commandFor(line)(line, ownEnvironment, terminal);
  } catch (error) {
    return report(error, terminal.err);
  } finally {
    terminal.flush();
  }
}

function report(error: unknown, err: (line: string) => void): number {
  if (error instanceof TundraError) {
    err(error.message);
    if (error.advice !== undefined) err(error.advice);
    return error.exitStatus;
  }
  err(`Unexpected failure: ${messageOf(error)}`);
  if (error instanceof Error && error.stack !== undefined) err(error.stack);
  err(
    'This is a defect of tundra. Nothing that was stored before is lost. Please report it with the lines above.',
  );
  return 30;
}
