/**
 * Every option of the command line as data: parser, help, man page, completion and configuration file come from this
 * table alone. Names and meanings are duplicity's, of 0.8 and of 3.x.
 */

import { type CommandName, onBackups } from './commands.js';
import type { OptionSchema } from './schema.js';
import { absentOptions } from './tables/absent.js';
import { backupOptions } from './tables/backup.js';
import { generalOptions } from './tables/general.js';
import { restoreOptions } from './tables/restore.js';
import { selectionOptions } from './tables/selection.js';
import { storageOptions } from './tables/storage.js';

export type { CommandName } from './commands.js';
export { commandSchemas } from './commands.js';
export type { CommandSchema, OptionKind, OptionSchema } from './schema.js';

export const optionSchemas = [
  ...selectionOptions,
  ...backupOptions,
  ...restoreOptions,
  ...storageOptions,
  ...generalOptions,
  ...absentOptions,
] as const satisfies readonly OptionSchema[];

export type OptionName = (typeof optionSchemas)[number]['name'];

/** The options whose place among each other counts. */
export type SelectionOptionName = Extract<
  (typeof optionSchemas)[number],
  { kind: 'selection' | 'selection-flag' }
>['name'];

/** Whether an option takes no value. */
export function isFlag({ kind }: Pick<OptionSchema, 'kind'>): boolean {
  return kind === 'flag' || kind === 'selection-flag';
}

/** Every long name of an option. */
export function longNames({ name, aliases = [], oldNames = [] }: OptionSchema): string[] {
  return [name, ...aliases, ...oldNames];
}

/** The options that say something to a command. */
export function optionsOf(command: CommandName): OptionSchema[] {
  return optionSchemas.filter((option: OptionSchema) => (option.commands ?? onBackups).includes(command));
}
