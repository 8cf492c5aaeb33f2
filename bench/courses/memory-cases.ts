import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mixedBytes, randomNumbers } from '../../test/trees/contents.js';
import { removeTree } from '../../test/trees/writer.js';

/** A tree that strains one thing, and how it changes from set to set. */
export interface Case {
  name: 'files' | 'chain' | 'holes';
  description: string;
  /** Incremental sets after the full one. */
  sets: number;
  make(source: string): void;
  change(source: string, set: number): void;
}

/** Half of the files in one flat folder, half in folders of a hundred; each set adds, edits and removes some. */
export function manyFiles(count: number): Case {
  const pathOf = (index: number) =>
    index % 2 === 0
      ? `flat/file ${index}`
      : `nested/${Math.floor(index / 200)}/file with a longer name ${index}`;
  return {
    name: 'files',
    description: `${count} files`,
    sets: 1,
    make: (source) => {
      mkdirSync(join(source, 'flat'), { recursive: true });
      for (let folder = 0; folder * 200 < count; folder++) {
        mkdirSync(join(source, `nested/${folder}`), { recursive: true });
      }
      for (let index = 0; index < count; index++) {
        writeFileSync(join(source, pathOf(index)), `file ${index}\n`.repeat(index % 40));
      }
    },
    change: (source, set) => {
      for (let index = 0; index < count; index += 100) {
        writeFileSync(join(source, pathOf(index)), `file ${index} in set ${set}\n`.repeat(index % 50));
        writeFileSync(join(source, `${pathOf(index)} of set ${set}`), 'new');
        removeTree(join(source, pathOf(index + 1)));
      }
    },
  };
}

/** A small tree in which some files change with every set, so that a restore needs every set of the chain. */
export function longChain(sets: number): Case {
  const contents = (name: string, sizeBytes: number, set: number) => {
    const bytes = mixedBytes(name, sizeBytes);
    for (let edit = 1; edit <= set; edit++) {
      bytes.write(`edited in set ${edit}`, (edit * 7919) % (sizeBytes - 100), 'latin1');
    }
    return bytes;
  };
  const write = (source: string, set: number) => {
    for (const name of ['one', 'two', 'three'])
      writeFileSync(join(source, `always ${name}`), contents(name, 300_000, set));
    writeFileSync(join(source, 'always large'), contents('large', 4_000_000, set));
    mkdirSync(join(source, `set ${set}`));
    for (let index = 0; index < 20; index++) {
      writeFileSync(join(source, `set ${set}/${index}`), mixedBytes(`${set} ${index}`, index * 1000));
    }
  };
  return {
    name: 'chain',
    description: `a chain of ${sets} increments`,
    sets,
    make: (source) => {
      mkdirSync(join(source, 'steady'), { recursive: true });
      for (let index = 0; index < 2000; index++) {
        writeFileSync(join(source, `steady/${index}`), mixedBytes(`steady ${index}`, index * 5));
      }
      write(source, 0);
    },
    change: (source, set) => {
      write(source, set);
      if (set % 5 === 0) removeTree(join(source, `set ${set - 3}`));
    },
  };
}

/** One file, nearly all holes, with data scattered over it; each set edits it in places. */
export function fileWithHoles(sizeBytes: number): Case {
  const scatter = (source: string, set: number, pieces: number) => {
    const next = randomNumbers(`scatter ${set}`);
    const file = openSync(join(source, 'large'), set === 0 ? 'w' : 'r+');
    try {
      if (set === 0) ftruncateSync(file, sizeBytes);
      for (let piece = 0; piece < pieces; piece++) {
        const bytes = mixedBytes(`${set} ${piece}`, 1 + (next() % 1_000_000));
        writeSync(file, bytes, 0, bytes.length, Math.floor((next() / 2 ** 32) * (sizeBytes - bytes.length)));
      }
    } finally {
      closeSync(file);
    }
  };
  return {
    name: 'holes',
    description: `one file of ${sizeBytes / 1e6} MB, nearly all holes`,
    sets: 1,
    make: (source) => {
      mkdirSync(source, { recursive: true });
      scatter(source, 0, Math.max(1, Math.floor(sizeBytes / 10e6)));
    },
    change: (source, set) => scatter(source, set, 30),
  };
}
