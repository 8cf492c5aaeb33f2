// Writes the manual page out of the tables of commands and options. Run it after a build.
import { writeFileSync } from 'node:fs';
import { manPage } from '../dist/src/config/man-page.js';

writeFileSync(new URL('../docs/tundra.1', import.meta.url), manPage());
