/** What a mutant is: one small edit of `src` that breaks one rule of docs/protocol.md. The tables beside this file list them by area. */

export interface Mutant {
  readonly name: string;
  /** The rule it breaks. Only tests whose titles cite that rule may catch it. */
  readonly rule: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Text that occurs exactly once in the file, and what stands there in the mutant. */
  readonly find: string;
  readonly replace: string;
  /** Test files, from the root of the repository: each is run, restricted to the tests that cite the rule, until one of them fails. Or the simulation. */
  readonly tests: readonly string[] | 'simulation';
}

/** Tests of one file, by their full names. */
export interface Selection {
  readonly file: string;
  readonly pattern: string;
}

/** The simulation as a test: worlds with all faults, one for each seed; and two peers against their model. */
const SIMULATION: readonly Selection[] = [
  { file: 'test/simulation/simulate.test.ts', pattern: '^with all faults' },
  { file: 'test/simulation/two-peers.test.ts', pattern: '^a server whose store' },
];

/** What is to catch a mutant, one file after the other. */
export function selectionsOf({ rule, tests }: Mutant): readonly Selection[] {
  return tests === 'simulation' ? SIMULATION : tests.map((file) => ({ file, pattern: citesPattern(rule) }));
}

/** The file's text with the mutant's edit. Throws when its `find` does not occur exactly once: the table is out of date then. */
export function applyMutant({ name, file, find, replace }: Mutant, source: string): string {
  const at = source.indexOf(find);
  if (at === -1) throw new Error(`${name}: ${file} has no ${JSON.stringify(find)}`);
  if (source.includes(find, at + 1)) throw new Error(`${name}: ${file} has ${JSON.stringify(find)} more than once`);
  return source.slice(0, at) + replace + source.slice(at + find.length);
}

/** Matches the full name of a test whose title, or the title of whose suite, cites the rule in brackets. */
export function citesPattern(rule: string): string {
  return `\\[(?:[a-z.-]+, ?)*${rule.replaceAll('.', '\\.')}(?:, ?[a-z.-]+)*\\]`;
}
