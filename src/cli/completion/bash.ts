import {
  allOptionWords,
  commandWords,
  optionsByValue,
  shellWords,
  type ValueWords,
  valuedSpellings,
} from './words.js';

/** The script that completes command lines in bash 4.4 and later. */
export function bashScript(): string {
  const commands = commandWords();
  const names = commands.flatMap((command) => command.names);
  return `# Completes command lines of tundra in bash. Made by "tundra completion bash"; put it into ~/.bashrc:
#   eval "$(tundra completion bash)"
_tundra() {
  local line=\${COMP_LINE:0:COMP_POINT} cur prev word command='' config=() skip='' words=()
  # bash splits words at = and : as well; here only blanks count.
  cur=\${line##*[[:space:]]}
  read -ra words <<< "\${line%"$cur"}"
  prev=\${words[-1]-}
  for word in "\${words[@]:1}"; do
    if [[ $skip == --config ]]; then config=(--config "$word"); fi
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      ${valuedSpellings().join('|')}) skip=$word ;;
      -*) ;;
      *) [[ -n $command ]] || command=$word ;;
    esac
  done
  COMPREPLY=()
  if [[ $cur == --*=* ]]; then prev=\${cur%%=*} cur=\${cur#*=}; elif [[ -z $skip ]]; then prev=''; fi

  case $prev in
${optionsByValue()
  .map(({ spellings, value }) => `    ${spellings.join('|')}) ${valueReply(value)}; return ;;`)
  .join('\n')}
    -*) return ;;
  esac
  case $cur in
    -*)
      local options='${optionNames(allOptionWords())}'
      case $command in
${commands
  .map((command) => `        ${command.names.join('|')}) options='${optionNames(command.options)}' ;;`)
  .join('\n')}
      esac
      mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
      return ;;
    @*) _tundra_targets; return ;;
    file://*)
      compopt -o nospace -o filenames
      mapfile -t COMPREPLY < <(compgen -d -P file:// -- "\${cur#file://}")
      [[ $COMP_WORDBREAKS != *:* ]] || COMPREPLY=("\${COMPREPLY[@]#file:}")
      return ;;
  esac
  if [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W '${names.join(' ')}' -- "$cur")
  elif [[ $command == completion ]]; then
    mapfile -t COMPREPLY < <(compgen -W '${shellWords.join(' ')}' -- "$cur")
    return
  fi
  [[ -n $cur ]] || _tundra_targets
  compopt -o filenames
  local found
  mapfile -t found < <(compgen -f -- "$cur")
  COMPREPLY+=("\${found[@]}")
}

_tundra_targets() {
  local found
  mapfile -t found < <(compgen -P @ -W "$("\${words[0]}" completion targets "\${config[@]}" 2> /dev/null)" -- "\${cur#@}")
  COMPREPLY+=("\${found[@]}")
}

complete -F _tundra tundra
`;
}

function optionNames(options: readonly { long: string }[]): string {
  return options.map(({ long }) => long).join(' ');
}

function valueReply(value: ValueWords): string {
  const reply = (action: string) => `mapfile -t COMPREPLY < <(compgen ${action} -- "$cur")`;
  switch (value) {
    case 'file':
      return `compopt -o filenames; ${reply('-f')}`;
    case 'folder':
      return `compopt -o filenames; ${reply('-d')}`;
    case 'program':
      return reply('-c');
    default:
      return reply(`-W '${value.join(' ')}'`);
  }
}
