/** A line of gpg's status output: a keyword and what follows it. */
export interface StatusLine {
  keyword: string;
  fields: string[];
}

/** How a run of gpg ended. */
export interface GnupgReport {
  /** Exit status; undefined when a signal ended it. */
  exitStatus: number | undefined;
  statusLines: StatusLine[];
  /** What gpg told the user, in the user's language. */
  log: string;
}

/** Parses what gpg wrote to its status descriptor: lines that begin with `[GNUPG:]`. */
export function parseStatus(text: string): StatusLine[] {
  const lines: StatusLine[] = [];
  for (const line of text.split('\n')) {
    const [mark, keyword, ...fields] = line.trimEnd().split(' ');
    if (mark === '[GNUPG:]' && keyword) lines.push({ keyword, fields });
  }
  return lines;
}

export function hasStatus(report: GnupgReport, keyword: string): boolean {
  return report.statusLines.some((line) => line.keyword === keyword);
}

/** The fields of all lines with a keyword. */
export function statusFields(report: GnupgReport, keyword: string): string[][] {
  return report.statusLines.filter((line) => line.keyword === keyword).map((line) => line.fields);
}

/** Codes of libgpg-error. */
const BAD_PASSPHRASE = 11;
const NO_PASSPHRASE = 177;

/** Whether gpg had a passphrase that does not fit, or none where it needed one. */
export function wantedPassphrase(report: GnupgReport): boolean {
  if (hasStatus(report, 'BAD_PASSPHRASE') || hasStatus(report, 'MISSING_PASSPHRASE')) return true;
  const errors = [...statusFields(report, 'ERROR'), ...statusFields(report, 'FAILURE')];
  const codes = errors.map((fields) => errorCode(fields[1]));
  return codes.includes(BAD_PASSPHRASE) || codes.includes(NO_PASSPHRASE);
}

/** An error of libgpg-error, such as `67108875` or `11_BAD_PASSPHRASE`, without the part that names its source. */
export function errorCode(field: string | undefined): number {
  return Number.parseInt(field ?? '', 10) & 0xffff;
}
