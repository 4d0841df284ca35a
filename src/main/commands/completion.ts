import { Argument, type Command, type Option } from 'commander';
import { EXIT, finish, plainCommand } from './terminal.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const HELP = `
Examples:
  $ source <(clickstream completion bash)
  $ clickstream completion bash > ~/.local/share/bash-completion/completions/clickstream
  $ echo 'source <(clickstream completion zsh)' >> ~/.zshrc
  $ clickstream completion fish > ~/.config/fish/completions/clickstream.fish

Exit codes: 0 printed; 1 a fault of the program; 2 usage.`;

/** `clickstream completion`: a script with which a shell completes commands, options and their values. */
export function completionCommand(): Command {
  return plainCommand('completion', 'Print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .option('--json', 'print it as a JSON document')
    .addHelpText('after', HELP)
    .action((shell: Shell, { json }: { readonly json?: true }, command: Command) =>
      finish(() => {
        const script = completionScript(command.parent ?? command, shell);
        process.stdout.write(json === true ? `${JSON.stringify({ shell, script })}\n` : script);
        return EXIT.well;
      }),
    );
}

const ZSH_HEAD = `autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
`;

/** The completion of a program's whole tree of commands, as a script for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, '');
  switch (shell) {
    case 'bash':
      return bashScript(program.name(), places);
    case 'zsh':
      // Zsh's own layer over scripts of bash, so that there is one script to keep right.
      return `${ZSH_HEAD}${bashScript(program.name(), places)}`;
    case 'fish':
      return fishScript(program.name(), places);
  }
}

/** What an option's value or an argument may be: one of some words, the name of a file or folder, or anything. */
type Value = readonly string[] | 'file' | 'folder' | 'anything';

/** A command, where it stands in the tree, and what may follow it. */
interface Place {
  /** The names that lead to it, each after a space: ` config init`. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  readonly values: readonly Value[];
}

interface CompletedOption {
  readonly long: string;
  readonly description: string;
  /** Absent when it takes none. */
  readonly value?: Value;
}

function placesOf(command: Command, path: string): readonly Place[] {
  const help: CompletedOption = { long: '--help', description: 'show help' };
  const place: Place = {
    path,
    commands: command.commands.map((inner) => ({ name: inner.name(), description: inner.description() })),
    options: [...command.options.map(optionOf), help],
    values: command.registeredArguments.map((argument) => valueNamed(argument.name(), argument.argChoices)),
  };
  return [place, ...command.commands.flatMap((inner) => placesOf(inner, `${path} ${inner.name()}`))];
}

function optionOf({ long, flags, description, required, optional, argChoices }: Option): CompletedOption {
  const name = /[<[](\w+)/.exec(flags)?.[1] ?? '';
  return { long: long ?? flags, description, ...((required || optional) && { value: valueNamed(name, argChoices) }) };
}

function valueNamed(name: string, choices: readonly string[] | undefined): Value {
  if (choices !== undefined) return choices;
  return name === 'file' || name === 'folder' ? name : 'anything';
}

/** Each option that takes a value, with the path of its command: ` stats --by`. */
function valuedOptions(places: readonly Place[]): readonly { readonly at: string; readonly value: Value }[] {
  return places.flatMap(({ path, options }) =>
    options.flatMap(({ long, value }) => (value === undefined ? [] : [{ at: `${path} ${long}`, value }])),
  );
}

/** As patterns of a `case`; one that matches nothing when there are none. */
function patterns(texts: readonly string[], separator: string): string {
  return texts.length === 0 ? "'-'" : texts.map((text) => `'${text}'`).join(separator);
}

/** An equals sign is a word of its own to bash; the script looks past it. */
function bashScript(name: string, places: readonly Place[]): string {
  const valued = valuedOptions(places);
  const every = valued.map(({ at }) => at);
  const taking = (wanted: Value) => valued.filter(({ value }) => value === wanted).map(({ at }) => at);
  const chosen = valued.filter(({ value }) => typeof value !== 'string');
  const paths = places.slice(1).map(({ path }) => path);
  return `# Completion of ${name}, made by "${name} completion".
_${name}() {
  local IFS=$'\\n' index word path='' last='' words='' files=''
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    [[ $word == '=' ]] && continue
    case "$path $last" in
      ${patterns(every, '|')}) last=''; continue ;;
    esac
    case "$path $word" in
      ${patterns(paths, '|')}) path="$path $word"; last='' ;;
      *) last=$word ;;
    esac
  done
  word=\${COMP_WORDS[COMP_CWORD]}
  [[ $word == '=' ]] && word=''
  case "$path $last" in
${chosen.map(({ at, value }) => `    '${at}') words=${bashWords(value)} ;;`).join('\n')}
    ${patterns(taking('file'), '|')}) files=-f ;;
    ${patterns(taking('folder'), '|')}) files=-d ;;
    ${patterns(taking('anything'), '|')}) return ;;
    *)
      case "$path" in
${places.map((place) => `        '${place.path}') words=${bashWords(wordsOf(place))}${filesOf(place)} ;;`).join('\n')}
      esac
      ;;
  esac
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen $files -- "$word"; compgen -W "$words" -- "$word"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  fi
}
complete -F _${name} ${name}
`;
}

function wordsOf({ commands, values, options }: Place): readonly string[] {
  const choices = values.flatMap((value) => (typeof value === 'string' ? [] : value));
  return [...commands.map(({ name }) => name), ...choices, ...options.map(({ long }) => long)];
}

function filesOf({ values }: Place): string {
  if (values.includes('file')) return ' files=-f';
  return values.includes('folder') ? ' files=-d' : '';
}

/** A word a line, for IFS is a line feed there. */
function bashWords(words: Value): string {
  return typeof words === 'string' ? "''" : `$'${words.join('\\n')}'`;
}

function fishScript(name: string, places: readonly Place[]): string {
  const valued = valuedOptions(places).map(({ at }) => at);
  const paths = places.slice(1).map(({ path }) => path);
  return `# Completion of ${name}, made by "${name} completion".
function __${name}_at --description 'Whether the words before the cursor lead to this command'
  set -l path ''
  set -l last ''
  for word in (commandline -opc)[2..-1]
    switch "$path $last"
      case ${patterns(valued, ' ')}
        set last ''
        continue
    end
    switch "$path $word"
      case ${patterns(paths, ' ')}
        set path "$path $word"
        set last ''
      case '*'
        set last $word
    end
  end
  test "$path" = "$argv[1]"
end
complete -c ${name} -f
${places.flatMap((place) => fishPlace(name, place)).join('\n')}
`;
}

function fishPlace(program: string, { path, commands, options, values }: Place): readonly string[] {
  const at = `complete -c ${program} -n ${fishText(`__${program}_at ${fishText(path)}`)}`;
  const choices = values.flatMap((value) => (typeof value === 'string' ? [] : value));
  const files = values.includes('file') || values.includes('folder');
  return [
    ...commands.map(({ name, description }) => `${at} -a ${name} -d ${fishText(description)}`),
    ...(choices.length > 0 ? [`${at} -a ${fishText(choices.join(' '))}`] : []),
    ...(files ? [`${at} -F`] : []),
    ...options.map(
      ({ long, description, value }) => `${at} -l ${long.slice(2)}${fishValue(value)} -d ${fishText(description)}`,
    ),
  ];
}

function fishValue(value: Value | undefined): string {
  if (value === undefined) return '';
  if (value === 'file' || value === 'folder') return ' -r -F';
  return value === 'anything' ? ' -x' : ` -x -a ${fishText(value.join(' '))}`;
}

function fishText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
