import { createRequire } from 'node:module';

/** A function of the C library. */
export type Foreign = (...parameters: unknown[]) => number;

/** The part of koffi that is used. */
export interface Koffi {
  load(library: null): { func(declaration: string): Foreign };
  /** Of the last call of this thread. */
  errno(): number;
}

/**
 * The optional package that calls the C library. Undefined where there is no Linux, or where the package is missing or has no
 * binary for this machine. It is to be loaded and used through the native gate only.
 */
export function loadKoffi(): Koffi | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return undefined;
  }
}
