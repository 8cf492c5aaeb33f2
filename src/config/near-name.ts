import { editDistance } from '../base/edit-distance.js';

/** The known name that a mistyped one was probably meant to be. */
export function nearName(mistyped: string, known: Iterable<string>): string | undefined {
  const farthest = Math.max(2, mistyped.length / 4);
  let near: { name: string; distance: number } | undefined;
  for (const name of known) {
    if (Math.abs(name.length - mistyped.length) > farthest) continue;
    const distance = editDistance(mistyped.toLowerCase(), name.toLowerCase());
    if (near === undefined || distance < near.distance) near = { name, distance };
  }
  return near !== undefined && near.distance <= farthest ? near.name : undefined;
}
