/** What the kernel shows to the outside. */
import { fillFixedLengths } from './block';
import { layOut } from './memory';
import { fillSymbolTables } from './sequences';

layOut();
fillSymbolTables();
fillFixedLengths();

export { compress } from './compress';
export { OUTPUT, WINDOW } from './memory';
