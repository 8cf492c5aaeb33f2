import { editDistance } from '../base/edit-distance.js';

/** The known name that a mistyped one was probably meant to be. */
export function nearName(mistyped: string, known: Iterable<string>): string | undefined {
  let near: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(mistyped.toLowerCase(), name.toLowerCase());
    if (near === undefined || distance < near.distance) near = { name, distance };
  }
  return near !== undefined && near.distance <= Math.max(2, mistyped.length / 4) ? near.name : undefined;
}
