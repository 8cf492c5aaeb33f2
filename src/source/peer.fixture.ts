import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { needs } from '../../test/peers.js';
import type { Latin1 } from '../base/path-key.js';

/** What the peer is asked; bytes are written as hex. */
type Question =
  | { ask: 'glob'; glob: string; texts: string[]; isDirectory: boolean }
  | { ask: 'regexp'; pattern: string; texts: string[] }
  | { ask: 'walk'; root: string; options: PeerOption[]; nullSeparator: boolean; followLinks: boolean };

export interface PeerEntry {
  /** Slash path below the root, empty for the root. */
  path: Latin1;
  type: string;
  mode: number;
  uid: number;
  gid: number;
  uname: Latin1;
  gname: Latin1;
  mtime: number;
  link: Latin1;
  devices: [number, number];
}

/** Entries in order and the codes of what was logged, or the exit status of an error. */
export type PeerWalk = { entries: PeerEntry[]; codes: number[] } | { error: number };

/** Asks duplicity's own modules; one Python process answers all questions. */
const script = `
import builtins, io, json, os, re, sys
builtins.__dict__['_'] = lambda text: text
builtins.__dict__['ngettext'] = lambda one, many, n: one if n == 1 else many
from duplicity import config, globmatch, log, path, selection
log.setup()
codes = []
log.Warn = lambda text, code=1, extra=None: codes.append(code)
log.Info = lambda text, code=1, extra=None: code != 1 and codes.append(code)
log.Notice = lambda text, code=1, extra=None: None
log.FatalError = lambda text, code=1, extra=None: sys.exit(code)
text_of = lambda digits: os.fsdecode(bytes.fromhex(digits))
byte_chars = lambda text: os.fsencode(text).decode('latin1')
class Named:
    def __init__(self, name, is_directory):
        self.uc_name, self.isdir = name, lambda: is_directory
def glob(question):
    try:
        # As selection.py takes the prefix off.
        text = text_of(question['glob'])
        ignore_case = text.lower().startswith('ignorecase:')
        if ignore_case:
            text = text[len('ignorecase:'):].lower()
        relate = globmatch.select_fn_from_glob(text, 1, ignore_case)
    except (globmatch.GlobbingError, re.error, IndexError):
        return 'error'
    names = [text_of(digits) for digits in question['texts']]
    relations = {0: 'none', None: 'none', 1: 'match', 2: 'parent'}
    return [relations[relate(Named(name, question['isDirectory']))] for name in names]
def regexp(question):
    try:
        found = re.compile(text_of(question['pattern']))
    except (re.error, OverflowError, RecursionError):
        return 'error'
    return [found.search(text_of(digits)) is not None for digits in question['texts']]
def value_of(option):
    return int(text_of(option['value'])) if option['name'] == 'exclude-older-than' else text_of(option['value'])
def list_of(option):
    # Its encoding allows for all names, which the peer's does not.
    return io.TextIOWrapper(io.BytesIO(bytes.fromhex(option['value'])), 'utf-8', 'surrogateescape')
def describe(p):
    info = p.get_tarinfo()
    return {'path': b'/'.join(p.index).decode('latin1'), 'type': p.type, 'mode': p.mode, 'uid': info.uid,
            'gid': info.gid, 'uname': byte_chars(info.uname), 'gname': byte_chars(info.gname),
            'mtime': p.getmtime(), 'link': p.symtext.decode('latin1') if p.issym() else '',
            'devices': list(p.devnums) if p.isdev() else [0, 0]}
def walk(question):
    del codes[:]
    config.copy_links = question['followLinks']
    config.null_separator = question['nullSeparator']
    options = question['options']
    try:
        root = path.Path(path.Path(text_of(question['root'])).get_canonical())
        select = selection.Select(root)
        lists = [list_of(option) for option in options if option['name'].endswith('filelist')]
        select.ParseArgs([('--' + option['name'], value_of(option)) for option in options], lists)
        entries = [describe(p) for p in select.set_iter() if p.type]
        return {'entries': entries, 'codes': [code for code in codes]}
    except SystemExit as stopped:
        return {'error': stopped.code}
    except (re.error, IndexError):
        # Only of a regular expression it warns first; then it breaks down.
        return {'error': 30 if codes else 15}
answers = [{'glob': glob, 'regexp': regexp, 'walk': walk}[q['ask']](q) for q in json.load(sys.stdin)]
json.dump(answers, sys.stdout)
`;

/** A Python that can import duplicity; skips the test (or fails it, see `needs`) without one. */
function pythonOf(t: TestContext): string | undefined {
  if (!needs(t, 'duplicity', 'python3')) return undefined;
  const python = ['/usr/bin/python3', 'python3'].find(
    (program) => spawnSync(program, ['-c', 'import duplicity.selection']).status === 0,
  );
  if (python === undefined) {
    if (process.env.TUNDRA_REQUIRE === 'all') throw new Error('needs a python3 that can import duplicity');
    t.skip('needs a python3 that can import duplicity');
  }
  return python;
}

/** The answers in the order of the questions; undefined if the test was skipped. `uid`: run as this user. */
function askPeer(t: TestContext, questions: Question[], uid?: number): unknown[] | undefined {
  const python = pythonOf(t);
  if (python === undefined) return undefined;
  const done = spawnSync(python, ['-c', script], {
    input: JSON.stringify(questions),
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, PYTHONUTF8: '1', PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore' },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  if (done.status !== 0) throw new Error(`the peer failed: ${done.stderr}`);
  return JSON.parse(done.stdout) as unknown[];
}

const hex = (bytes: Latin1) => Buffer.from(bytes, 'latin1').toString('hex');

export interface GlobQuestion {
  glob: Latin1;
  texts: Latin1[];
  isDirectory: boolean;
}

/** How paths stand to globs: for each question `match`, `parent` or `none` per text, or `error`. */
export function peerGlobs(t: TestContext, questions: GlobQuestion[]): (string[] | 'error')[] | undefined {
  const asked = questions.map(({ glob, texts, isDirectory }) => ({
    ask: 'glob' as const,
    glob: hex(glob),
    texts: texts.map(hex),
    isDirectory,
  }));
  return askPeer(t, asked) as (string[] | 'error')[] | undefined;
}

/** Where in texts regular expressions are found: for each question an answer per text, or `error`. */
export function peerRegExps(
  t: TestContext,
  questions: { pattern: Latin1; texts: Latin1[] }[],
): (boolean[] | 'error')[] | undefined {
  const asked = questions.map(({ pattern, texts }) => ({
    ask: 'regexp' as const,
    pattern: hex(pattern),
    texts: texts.map(hex),
  }));
  return askPeer(t, asked) as (boolean[] | 'error')[] | undefined;
}

/** A selection option as the peer names it, without dashes; the value of a file list is what is in it. */
export interface PeerOption {
  name: string;
  value: Latin1;
}

export interface WalkQuestion {
  root: Latin1;
  options: PeerOption[];
  nullSeparator?: boolean;
  followLinks?: boolean;
}

/** What the peer would back up. */
export function peerWalks(t: TestContext, questions: WalkQuestion[], uid?: number): PeerWalk[] | undefined {
  const asked = questions.map(({ root, options, nullSeparator, followLinks }) => ({
    ask: 'walk' as const,
    root: hex(root),
    options: options.map(({ name, value }) => ({ name, value: hex(value) })),
    nullSeparator: nullSeparator ?? false,
    followLinks: followLinks ?? false,
  }));
  return askPeer(t, asked, uid) as PeerWalk[] | undefined;
}
