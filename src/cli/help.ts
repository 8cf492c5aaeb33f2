import { type CommandSchema, commandSchemas, type OptionSchema, optionSchemas } from '../config/options.js';

const column = 36;

/** The help, made from the schemas of commands and options. */
export function helpText(): string {
  const commands = commandSchemas.map((command: CommandSchema) => {
    const names = [command.name, ...command.aliases].join(', ');
    return entry(`${names} ${command.arguments.join(' ')}`, command.help);
  });
  const options = optionSchemas.map((option: OptionSchema) => {
    const long = [option.name, ...(option.aliases ?? [])].map((name) => `--${name}`);
    const names = [...(option.short === undefined ? [] : [`-${option.short}`]), ...long].join(', ');
    return entry(option.value === undefined ? names : `${names} ${option.value}`, option.help);
  });
  return [
    "tundra: encrypted, incremental backups for cold storage, in duplicity's format",
    '',
    'Usage: tundra [COMMAND] ARGUMENTS [OPTIONS]',
    'Without a command, SOURCE URL backs up and URL TARGET restores.',
    '',
    'Commands',
    ...commands,
    '',
    'Options',
    ...options,
    '',
    'Environment',
    entry('PASSPHRASE', 'passphrase to encrypt with, or of the key to decrypt with'),
    entry('SIGN_PASSPHRASE', 'passphrase of the key to sign with'),
  ].join('\n');
}

function entry(left: string, right: string): string {
  if (left.length + 4 > column) return `  ${left}\n${' '.repeat(column)}${right}`;
  return `  ${left}`.padEnd(column) + right;
}
