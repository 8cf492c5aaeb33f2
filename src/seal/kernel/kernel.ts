/** What the kernel shows to the outside. */
import { fillFixedLengths } from './block';
import { layOut } from './memory';
import { fillKeys } from './quick';
import { fillSymbolTables } from './sequences';

layOut();
fillSymbolTables();
fillFixedLengths();
fillKeys();

export { compress } from './compress';
export { OUTPUT, WINDOW } from './memory';
