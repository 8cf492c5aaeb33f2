import {
  allOptionWords,
  commandWords,
  type OptionWords,
  optionsByValue,
  shellWords,
  type ValueWords,
  valuedSpellings,
} from './words.js';

/** The script that completes command lines in zsh. */
export function zshScript(): string {
  const commands = commandWords();
  return `#compdef tundra
# Completes command lines of tundra in zsh. Made by "tundra completion zsh"; put it into a folder of $fpath as _tundra,
# or into ~/.zshrc behind compinit: eval "$(tundra completion zsh)"
_tundra() {
  local command='' skip='' word previous=\${words[CURRENT-1]} current=\${words[CURRENT]}
  local -a options names targets config
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ $skip == --config ]]; then config=(--config "$word"); fi
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      (${valuedSpellings().join('|')}) skip=$word ;;
      (-*) ;;
      (*) [[ -n $command ]] || command=$word ;;
    esac
  done
  if [[ $current == --*=* ]]; then
    previous=\${current%%=*}
    compset -P 1 '*='
  elif [[ -z $skip ]]; then
    previous=''
  fi

  case $previous in
${optionsByValue()
  .map(({ spellings, value }) => `    (${spellings.join('|')}) ${valueReply(value)}; return ;;`)
  .join('\n')}
    (-*) return ;;
  esac
  if [[ $current == -* ]]; then
    case $command in
${commands
  .map((command) => `      (${command.names.join('|')}) options=(${described(command.options)}) ;;`)
  .join('\n')}
      (*) options=(${described(allOptionWords())}) ;;
    esac
    _describe -o option options
    return
  fi
  if [[ $command == completion ]]; then
    compadd -- ${shellWords.join(' ')}
    return
  fi
  if [[ $current == file://* ]]; then
    compset -P 'file://'
    _files -/
    return
  fi
  if [[ -z $command ]]; then
    names=(${commands.map(({ names: [name], help }) => quoted(`${name}:${help}`)).join(' ')})
    _describe command names
  fi
  if [[ -z $current || $current == @* ]]; then
    targets=(@\${^\${(f)"$("\${words[1]}" completion targets $config 2> /dev/null)"}})
    [[ $targets == @ ]] || compadd -a targets
  fi
  _files
}
if [[ $funcstack[1] == _tundra ]]; then _tundra "$@"; else compdef _tundra tundra; fi
`;
}

function described(options: readonly OptionWords[]): string {
  return options.map(({ long, help }) => quoted(`${long}:${help}`)).join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function valueReply(value: ValueWords): string {
  switch (value) {
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'program':
      return '_command_names -e';
    default:
      return `compadd -- ${value.join(' ')}`;
  }
}
