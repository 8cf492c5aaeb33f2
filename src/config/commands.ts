/** Every command as data: names and meanings are duplicity's, of 0.8 and of 3.x. */

import type { CommandSchema } from './schema.js';

export const commandSchemas = [
  {
    name: 'backup',
    aliases: ['bu'],
    arguments: ['SOURCE', 'URL'],
    help: 'back up: incremental if there is a backup to build on, else full',
  },
  { name: 'full', aliases: ['fb'], arguments: ['SOURCE', 'URL'], help: 'make a full backup' },
  {
    name: 'incremental',
    aliases: ['incr', 'inc', 'ib'],
    arguments: ['SOURCE', 'URL'],
    help: 'make an incremental backup; an error (17) if there is none to build on',
  },
  { name: 'restore', aliases: ['rb'], arguments: ['URL', 'TARGET'], help: 'restore to a folder' },
  {
    name: 'verify',
    aliases: ['vb'],
    arguments: ['URL', 'TARGET'],
    help: 'make sure that the backup can be restored; with --compare-data, that it is what the folder holds',
  },
  {
    name: 'collection-status',
    aliases: ['st', 'status'],
    arguments: ['URL'],
    help: 'tell which backups there are',
  },
  { name: 'list-current-files', aliases: ['ls'], arguments: ['URL'], help: 'list the files in the backup' },
  {
    name: 'cleanup',
    aliases: ['cl'],
    arguments: ['URL'],
    help: 'delete what belongs to no finished backup; only tells without --force',
  },
  {
    name: 'remove-older-than',
    aliases: ['ro'],
    arguments: ['TIME', 'URL'],
    help: 'delete the chains whose last backup is older; only tells without --force',
  },
  {
    name: 'remove-all-but-n-full',
    aliases: ['ra'],
    arguments: ['COUNT', 'URL'],
    help: 'delete all but the last so many chains; only tells without --force',
  },
  {
    name: 'remove-all-inc-of-but-n-full',
    aliases: ['ri'],
    arguments: ['COUNT', 'URL'],
    help: 'delete the incremental backups of all but the last so many chains; only tells without --force',
  },
  {
    name: 'replicate',
    aliases: [],
    arguments: ['URL', 'URL'],
    help: 'copy to the second storage what it lacks of the first: all backups, or those made before --time',
  },
  {
    name: 'plan',
    aliases: [],
    arguments: ['URL'],
    help: 'tell what a restore needs from cold storage, how long that takes and what it costs; asks for nothing',
    since: 'tundra',
  },
  {
    name: 'drill',
    aliases: [],
    arguments: ['URL'],
    help: 'prove that the backup restores: thaw, restore and compare some files picked at random',
    since: 'tundra',
  },
  {
    name: 'thaw',
    aliases: [],
    arguments: ['URL'],
    help: 'ask cold storage for what a restore needs',
    since: 'tundra',
  },
  {
    name: 'demo',
    aliases: [],
    arguments: ['FOLDER'],
    help: 'show the main job in a folder: back up to a hot and a cold store, change, restore, compare',
    since: 'tundra',
  },
  {
    name: 'completion',
    aliases: [],
    arguments: ['SHELL'],
    help: 'print a script that completes command lines in bash, zsh or fish; "targets" prints the names of the targets',
    since: 'tundra',
  },
] as const satisfies readonly CommandSchema[];

export type CommandName = (typeof commandSchemas)[number]['name'];

/** Commands that make a backup. */
export const backups = ['backup', 'full', 'incremental'] as const;

/** Commands that delete. */
export const removals = [
  'cleanup',
  'remove-older-than',
  'remove-all-but-n-full',
  'remove-all-inc-of-but-n-full',
] as const;

/** Commands that need volumes for a path at a time. */
export const restores = ['restore', 'verify', 'plan', 'thaw'] as const;

/** Commands that open no backup. */
const apart: readonly CommandName[] = ['demo', 'completion'];

/** Commands that open a backup. */
export const onBackups: readonly CommandName[] = commandSchemas
  .map(({ name }) => name)
  .filter((name) => !apart.includes(name));

export const everyCommand: readonly CommandName[] = commandSchemas.map(({ name }) => name);
