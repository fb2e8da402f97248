/** `statewire store`: which look into a store is meant. Each is a file of its own; the store's folder is never made here. */
import { ExitCode, InputError, leaveWithReader, UsageError } from './exit.ts';
import { listRecords } from './store-list.ts';
import { showRecord } from './store-show.ts';
import { sweepStore } from './store-sweep.ts';
import { LmdbStoreError, peekIdentity } from '../store/lmdb/browse.ts';

export const STORE_HELP = `statewire store <path> ls|show|sweep [options]

Looks into the folder of an lmdbStore. ls and show work while a server has it in use, and change nothing.

  ls               the operations it keeps, a line each: state, caller, scope, age in this state, bytes, id ("text", or series/number)
    --state S        only those that are admitted (running, or abandoned), sealed (with an outcome), released (without), or unreadable
    --scope PREFIX   only those whose scope begins so
    --caller SIDE    only calls of this side: initiator (it dialled) or acceptor
    --limit N        at most so many (default 100); how many more there are is said
    --full           scopes in full
    --json           an object a line

  show <id>        all about the operation with this id
    --series PREFIX  the id is a number, of the series that begins so
    --scope PREFIX   which one is meant, where several have that id
    --caller SIDE    the same
    --values         arguments and outcome too, which may be secrets; without it only their sizes
    --json           an object

  sweep            removes what is past its retention, and says how many operations went; a server does so by itself, so none may be running
    --retention-ms N how long settled operations are kept, in milliseconds (default 15 minutes, as lmdbStore's): with less than the
                     server's, calls that it still promises to answer are forgotten

  --help           print this

exit code: 0 done, 1 it cannot be done (another process has the store in use) or there is no such operation, 2 wrong arguments, no store,
           or several operations with that id, 130 interrupted
`;

const COMMANDS = { ls: listRecords, show: showRecord, sweep: sweepStore } as const;

const isCommand = (name: string): name is keyof typeof COMMANDS => Object.hasOwn(COMMANDS, name);

/** Runs the command and gives its exit code. Throws UsageError and InputError, and what stopped it. */
export async function store(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (options.includes('--help') || options.includes('-h')) {
    process.stdout.write(STORE_HELP);
    return ExitCode.ok;
  }
  const [path, command, ...rest] = args;
  if (path === undefined || path === '' || path.startsWith('-')) throw new UsageError('store: the path of the store comes first');
  if (command === undefined || !isCommand(command)) {
    const given = command === undefined ? '' : `, not ${JSON.stringify(command)}`;
    throw new UsageError(`store: after the path comes ls, show or sweep${given}`);
  }
  checkStore(path);
  leaveWithReader();
  return COMMANDS[command](path, rest, signal);
}

function checkStore(path: string): void {
  try {
    peekIdentity(path);
  } catch (error) {
    if (error instanceof LmdbStoreError) throw new InputError(error.message, { cause: error });
    throw error;
  }
}
