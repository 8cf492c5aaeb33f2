import { messageOf, TundraError } from '../base/errors.js';
import type { CommandName } from '../config/options.js';
import type { CommandLine } from './arguments.js';
import { commandFor, type WalkThread } from './commands/index.js';
import { type Interruption, interruptionText } from './interruption.js';
import { asksForHelp, readInvocation } from './invocation.js';
import { type MachineLog, openMachineLog } from './machine-log.js';
import { showProgress } from './progress.js';
import type { LogRecord } from './render/log-record.js';
import { createTerminal, plainTerminal, type Terminal } from './terminal.js';
import { versionLine } from './version.js';

/**
 * Runs a command line and returns the exit status. Every error ends here.
 * @param walkThread where it was started early
 */
export async function run(
  argv: string[],
  environment: NodeJS.ProcessEnv,
  interruption: Interruption,
  walkThread?: WalkThread | undefined,
): Promise<number> {
  let terminal = createTerminal({ ...plainTerminal, environment });
  let log: MachineLog | undefined;
  try {
    const { line, environment: ownEnvironment, messages } = await readInvocation(argv, environment);
    if (line.options.flag('version')) {
      terminal.out(versionLine());
      return 0;
    }
    if (asksForHelp(line)) {
      const { helpText } = await import('./help.js');
      terminal.out(helpText(line));
      return 0;
    }
    log = openMachineLog(line.options.number('log-fd'), line.options.text('log-file'), (text) =>
      terminal.tell({ level: 2, code: 1, text }),
    );
    terminal = terminalFor(line, ownEnvironment, log, interruption.signal);
    for (const { level, text } of messages) terminal.event({ kind: 'message', level, text });
    const { name, command } = commandFor(line, walkThread);
    interruption.signal.addEventListener('abort', () => {
      if (interruption.by === undefined) return;
      const { name: signal, exitStatus } = interruption.by;
      terminal.setDrawing(undefined);
      terminal.tell({ level: 0, code: exitStatus, text: interruptionText(signal, name) });
    });
    terminal.event({ kind: 'message', level: 'info', text: `${versionLine()}, Node.js ${process.version}` });
    terminal.event({ kind: 'message', level: 'info', text: `Main action: ${name}` });
    if (longCommands.has(name)) {
      showProgress(terminal, {
        isAsked: line.options.flag('progress'),
        rateSeconds: line.options.number('progress-rate'),
        isForbidden: ownEnvironment.TERM === 'dumb',
      });
    }
    const status = await command(line, ownEnvironment, terminal);
    return interruption.by?.exitStatus ?? status;
  } catch (error) {
    if (interruption.by !== undefined) return interruption.by.exitStatus;
    terminal.setDrawing(undefined);
    const record = errorRecord(error);
    terminal.tell(record);
    return record.code;
  } finally {
    terminal.setDrawing(undefined);
    terminal.flush();
    log?.close();
  }
}

/** Those that tell how far they are. */
const longCommands: ReadonlySet<CommandName> = new Set([
  'backup',
  'full',
  'incremental',
  'restore',
  'verify',
  'drill',
]);

function terminalFor(
  { options }: CommandLine,
  environment: NodeJS.ProcessEnv,
  machineLog: MachineLog | undefined,
  interruption: AbortSignal,
): Terminal {
  return createTerminal({
    verbosity: options.number('verbosity') ?? plainTerminal.verbosity,
    timestamps: options.flag('log-timestamp'),
    recordsToError: options.flag('json'),
    asynchronous: options.flag('asynchronous-upload') || (options.number('concurrency') ?? 0) > 0,
    machineLog,
    environment,
    interruption,
  });
}

/** An error as it is told; its code is the exit status. */
function errorRecord(error: unknown): LogRecord {
  if (error instanceof TundraError) {
    const text = [error.message, error.advice].filter(Boolean).join('\n');
    return { level: 0, code: error.exitStatus, extra: error.logExtra, text };
  }
  const lines = [
    `Unexpected failure: ${messageOf(error)}`,
    error instanceof Error ? error.stack : undefined,
    'This is a defect of tundra. Nothing that was stored before is lost. Please report it with the lines above.',
  ];
  const extra = error instanceof Error ? error.name : undefined;
  return { level: 0, code: 30, extra, text: lines.filter(Boolean).join('\n') };
}
