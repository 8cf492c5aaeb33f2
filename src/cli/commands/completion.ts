import { nearName } from '../../config/near-name.js';
import { commandLineError } from '../arguments.js';
import { shellWords } from '../completion/words.js';
import { readConfiguration } from '../invocation.js';
import { type Command, takeArguments } from './index.js';

/** `completion`: prints what makes a shell complete command lines, or the targets that such a script proposes. */
export const completionCommand: Command = async (line, environment, terminal) => {
  const [wanted] = takeArguments(line, 'SHELL') as [string];
  switch (wanted as (typeof shellWords)[number]) {
    case 'bash':
      terminal.out((await import('../completion/bash.js')).bashScript().trimEnd());
      return 0;
    case 'zsh':
      terminal.out((await import('../completion/zsh.js')).zshScript().trimEnd());
      return 0;
    case 'fish':
      terminal.out((await import('../completion/fish.js')).fishScript().trimEnd());
      return 0;
    case 'targets': {
      const file = await readConfiguration(line.options.text('config'), environment);
      for (const name of file?.targets.keys() ?? []) terminal.out(name);
      return 0;
    }
    default: {
      const near = nearName(wanted, shellWords);
      const hint = near === undefined ? '' : `; did you mean ${near}?`;
      throw commandLineError(`there is no completion for "${wanted}", only for bash, zsh and fish${hint}`);
    }
  }
};
