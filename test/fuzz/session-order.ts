/** What a session is to do, as JSON in its argument. */
export interface SessionOrder {
  target: string;
  seed: number;
  firstCase: number;
  /** Ends behind this case, or after this time. */
  endCase: number;
  forMs: number;
  /** Files to be parsed as they are, before any mutated case. */
  replay: string[];
  /** Holds the case under way: its number, and how many bytes follow (4 bytes each, little-endian). */
  currentPath: string;
  memoryLimitBytes: number;
}

export type SessionLine =
  | { kind: 'finding'; caseNumber: number; what: string; stack: string; input: string }
  | { kind: 'too much memory'; caseNumber: number; input: string }
  | { kind: 'end'; nextCase: number; peakBytes: number; outcomes: number; openFiles: number; cpuMs: number };

/** The case number of a file that is parsed as it is. */
export const replayedCase = 0xffffffff;
