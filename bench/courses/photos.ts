import { join } from 'node:path';
import { removeTree } from '../../test/trees/writer.js';
import { writePhotos } from '../contents.js';
import { measure, touchMemory } from '../measure.js';
import { prepareRunner, runOperation, turned } from '../runner.js';
import { attempt, note, type Stage, toolsFor } from '../stage.js';
import { stopAgents } from '../tools.js';

/** A full backup of data that no compressor shrinks. */
export async function photos(stage: Stage): Promise<void> {
  const { options, findings } = stage;
  stage.progress('making photos');
  const source = join(stage.folder, 'photos');
  const files = writePhotos(source, options.photosBytes);
  const megabytes = options.photosBytes / 1e6;
  findings.subjects.photos = `${files} files of 2 to 8 MB of noise, ${megabytes} MB; rounds: ${options.rounds}`;
  for (let round = 1; round <= options.rounds; round++) {
    for (const tool of turned(toolsFor(stage, 'photos'), round - 1)) {
      const folder = join(stage.folder, `round-${round}`);
      const run = await attempt(stage, 'photos', tool, async () => {
        const runner = await prepareRunner(tool, folder, source, options.sealing);
        try {
          touchMemory(folder, 1.1 * options.photosBytes);
          const run = await runOperation(runner, 'full');
          if (options.check && round === 1 && tool.name === 'tundra') {
            await measure(tool.command('verify', runner.ground), runner.logs);
          }
          return run;
        } finally {
          stopAgents([runner.ground.folder]);
        }
      });
      if (run) note(stage, 'photos', tool, run);
      removeTree(folder);
    }
  }
}
