import { TundraError } from '../../base/errors.js';
import type { BackendDriver } from '../registry.js';

/**
 * `cold+file:///folder?thaw=SECONDS&keep=SECONDS`: a folder that behaves like cold storage, for rehearsals and tests.
 * What is written is sealed, takes a set time to thaw, and is sealed again after another.
 */
export const coldFileDriver: BackendDriver = {
  schemes: ['cold+file'],
  load: async () => {
    const [{ openColdFile }, { thawTimes }] = await Promise.all([
      import('./cold-file-backend.js'),
      import('./thaw-times.js'),
    ]);
    return (url) => {
      if (url.path === '') throw new TundraError('bad-url', `the address ${url.display} names no folder`);
      return openColdFile(url.path, url.display, thawTimes(url));
    };
  },
};
