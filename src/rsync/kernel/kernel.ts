/** What the kernel shows to the outside. */
import { DELTA_AREA, ensureMemory } from './memory';

ensureMemory(DELTA_AREA);

export { inputAt, inputCame, inputRoom, knownRoom, openDelta, passKnown, search, startSearch } from './delta';
export { growEntries, thinEntries } from './index';
export { knownAt, knownCame } from './known';
export { DELTA_OUTPUT, SIGN_INPUT, SIGN_OUTPUT } from './memory';
export { clearOutput, outputSize } from './output';
export { OPEN_BLOCK, absorbBlock, closeBlock, openBlock, signBlocks } from './signature';
