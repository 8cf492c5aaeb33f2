import { TundraError } from '../../../src/base/errors.js';
import type { FuzzTarget } from '../target.js';

const kept: Buffer[] = [];

/** A parser with every defect that is looked for; the first byte of the input says which. */
export const faulty: FuzzTarget = {
  samples: () => [Buffer.of(0), Buffer.of(1)],
  mutations: [(bytes) => bytes],
  mend: () => Buffer.of(0),
  mostBytes: 1,
  run([kind = 0]) {
    switch (kind) {
      case 1:
        throw new TundraError('format', 'as it should be');
      case 2:
        throw new RangeError('not as it should be');
      case 3:
        for (;;) kept.length = 0;
      case 4:
        return new Promise(() => {});
      case 5:
        kept.push(Buffer.alloc(400e6, 1));
        return kept.length;
      case 6:
        Promise.reject(new Error('nobody waits'));
        return undefined;
      case 7:
        process.kill(process.pid, 'SIGKILL');
        break;
      case 8:
        setImmediate(() => {
          throw new Error('out of nowhere');
        });
        return undefined;
    }
    return kind;
  },
};
