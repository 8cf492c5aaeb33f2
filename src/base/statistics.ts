/**
 * What a backup did, in numbers. The fields and what each of them counts are those of duplicity, so that figures of both
 * can be put side by side.
 *
 * An entry is anything in the source: files, folders, links, devices. Its size is the one `lstat` gives, so that a folder
 * counts with the size of its own blocks.
 */

/** What is counted while the source is read. */
export interface BackupCounts {
  /** New, changed and unchanged entries. Those that could not be read are not in it. */
  sourceFiles: number;
  /** Bytes read of new and changed regular files, and the sizes of all other entries. */
  sourceFileSizeBytes: number;
  /** Entries stored whole: new ones, those whose type changed, and changed ones other than regular files. */
  newFiles: number;
  /** Their sizes. */
  newFileSizeBytes: number;
  /** Entries of the last backup that are gone. */
  deletedFiles: number;
  /** Regular files stored as a delta. */
  changedFiles: number;
  /** Their sizes now. */
  changedFileSizeBytes: number;
  /** New, changed and deleted entries: all that the volumes hold. */
  deltaEntries: number;
  /** Data of files and deltas in the volumes, before compression, without tar headers and padding. */
  rawDeltaSizeBytes: number;
  /** Entries that could not be stored. */
  errors: number;
  /** Warnings about single paths; not among the statistics that duplicity shows. */
  warnings: number;
}

export interface BackupStatistics extends BackupCounts {
  /** Seconds since 1970, with fractions. */
  startTime: number;
  /** When the source had been read; the last volume may still be on its way then. */
  endTime: number;
  /** Stored sizes of the volumes that were sent; the manifest and the signatures are not in it. 0 in a dry run. */
  totalDestinationSizeChangeBytes: number;
}

export function emptyCounts(): BackupCounts {
  return {
    sourceFiles: 0,
    sourceFileSizeBytes: 0,
    newFiles: 0,
    newFileSizeBytes: 0,
    deletedFiles: 0,
    changedFiles: 0,
    changedFileSizeBytes: 0,
    deltaEntries: 0,
    rawDeltaSizeBytes: 0,
    errors: 0,
    warnings: 0,
  };
}
