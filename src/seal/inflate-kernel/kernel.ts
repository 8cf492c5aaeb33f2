/** What the kernel shows to the outside. */
import { fillPatterns } from './copy';
import { layOut } from './memory';
import { fillEntries } from './table';

layOut();
fillEntries();
fillPatterns();

export { adler32 } from './adler';
export { INPUT, INPUT_SIZE, OUTPUT } from './memory';
export { inflate, makeRoom, open, outputEnd, outputStart, unusedInput } from './stream';
