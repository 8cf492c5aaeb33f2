import { commandWords, type OptionWords, shellWords, valuedSpellings } from './words.js';

/** The script that completes command lines in fish 3. */
export function fishScript(): string {
  const commands = commandWords();
  const options = new Map<string, { option: OptionWords; commands: string[] }>();
  for (const { names, options: own } of commands) {
    for (const option of own) {
      const known = options.get(option.long) ?? { option, commands: [] };
      known.commands.push(...names);
      options.set(option.long, known);
    }
  }
  const count = commands.flatMap(({ names }) => names).length;
  const lines = [...options.values()].map(({ option, commands: takers }) => {
    const when = takers.length === count ? '' : ` -n '__tundra_on ${takers.join(' ')}'`;
    return `complete -c tundra${when} ${optionFlags(option)} -d ${quoted(option.help)}`;
  });
  return `# Completes command lines of tundra in fish. Made by "tundra completion fish"; put it into
# ~/.config/fish/completions/tundra.fish
function __tundra_command
    set -l skip
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip
            continue
        end
        switch $word
            case ${valuedSpellings().join(' ')}
                set skip yes
            case '-*'
            case '*'
                echo $word
                return
        end
    end
end

# Whether the command is one of those given, or none is named yet.
function __tundra_on
    set -l command (__tundra_command)
    test -z "$command"; or contains -- $command $argv
end

function __tundra_is
    set -l command (__tundra_command)
    test "$command" = "$argv[1]"
end

function __tundra_targets
    set -l words (commandline -opc)
    set -l at (contains -i -- --config $words); and set -l config --config $words[(math $at + 1)]
    string replace -r '^' @ -- ($words[1] completion targets $config 2> /dev/null)
end

${commands
  .map(
    ({ names, help }) => `complete -c tundra -n '__tundra_is ""' -a '${names.join(' ')}' -d ${quoted(help)}`,
  )
  .join('\n')}
complete -c tundra -n 'not __tundra_is completion' -a '(__tundra_targets)' -d target
complete -c tundra -n '__tundra_is completion' -f -a '${shellWords.join(' ')}'
${lines.join('\n')}
`;
}

function optionFlags({ long, short, value }: OptionWords): string {
  const names = `-l ${long.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}`;
  switch (value) {
    case undefined:
      return names;
    case 'file':
      return `${names} -r -F`;
    case 'folder':
      return `${names} -x -a '(__fish_complete_directories)'`;
    case 'program':
      return `${names} -x -a '(__fish_complete_command)'`;
    default:
      return value.length === 0 ? `${names} -x` : `${names} -x -a '${value.join(' ')}'`;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
