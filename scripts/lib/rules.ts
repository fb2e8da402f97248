/**
 * The rules of docs/protocol.md against the tests that cite them and the mutants that break them: which rule is proved where, what is missing,
 * and the table of docs/rules.md. Pure: texts in, report out. It sees that a test exists and cites the rule; that it is a good one is shown by
 * `npm run mutants`, of which it only sees that there is a mutant.
 */
import { readCitations, type Citation } from './titles.ts';

/** A set of rules: whole areas and single rules, less the exceptions. */
export interface Finished {
  readonly areas: readonly string[];
  readonly rules: readonly string[];
  readonly except: readonly string[];
}

/** What is implemented, and so must have a test. */
export const FINISHED: Finished = {
  areas: ['id', 'attempt', 'outcome', 'meta', 'link', 'op', 'cancel', 'session', 'resume', 'retry', 'channel', 'credit', 'conn', 'liveness'],
  rules: [],
  except: [],
};

export interface RuleTests {
  readonly id: string;
  /** Implemented: must have a test. */
  readonly finished: boolean;
  readonly tests: readonly (Citation & { readonly file: string })[];
  /** Sorted, each once. */
  readonly files: readonly string[];
  /** Names of the mutants that break it. */
  readonly mutants: readonly string[];
}

/** What the report is made of. */
export interface RuleSources {
  /** The text of docs/protocol.md. */
  readonly protocol: string;
  /** Path from the root of the repository to source text. */
  readonly tests: ReadonlyMap<string, string>;
  readonly mutants: readonly { readonly name: string; readonly rule: string }[];
}

export interface RuleReport {
  readonly rules: readonly RuleTests[];
  /** One sentence for each failure. */
  readonly problems: readonly string[];
}

export const TABLE_BEGIN = '<!-- rules:begin -->';
export const TABLE_END = '<!-- rules:end -->';

/** The ids in bold, in order. Throws where one is given twice: then nobody can say which text it names. */
export function parseRules(protocol: string): string[] {
  const ids = Array.from(protocol.matchAll(/\*\*([a-z]+\.[a-z]+(?:-[a-z]+)*)\*\*/g), (match) => match[1] as string);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new Error(`docs/protocol.md: the rule ${twice} is defined twice; give one of them another id`);
  return ids;
}

function isFinished(id: string, finished: Finished): boolean {
  if (finished.except.includes(id)) return false;
  return finished.rules.includes(id) || finished.areas.includes(id.slice(0, id.indexOf('.')));
}

/** The rules that are implemented, of those that the protocol has. */
export function finishedRules(protocol: string, finished: Finished = FINISHED): string[] {
  return parseRules(protocol).filter((id) => isFinished(id, finished));
}

/** The ids named by `finished` that no rule has: a typing error there would silently demand nothing. */
function strayNames(ids: readonly string[], finished: Finished): string[] {
  const areas = new Set(ids.map((id) => id.slice(0, id.indexOf('.'))));
  const strays = [...finished.areas.filter((area) => !areas.has(area)), ...[...finished.rules, ...finished.except].filter((id) => !ids.includes(id))];
  return strays.map((name) => `scripts/lib/rules.ts: the list of finished rules names ${name}, which docs/protocol.md does not have`);
}

/** What each finished rule lacks, if anything. */
function whatIsMissing({ id, finished, tests, mutants }: RuleTests): string[] {
  if (!finished) return [];
  return [
    ...(tests.length === 0 ? [`${id}: is finished and has no test that cites it`] : []),
    ...(mutants.length === 0 ? [`${id}: is finished and no mutant breaks it (scripts/lib/mutants)`] : []),
  ];
}

/** Mutants that break nothing known, or that nobody could name. */
function strayMutants(ids: readonly string[], mutants: RuleSources['mutants']): string[] {
  const names = mutants.map(({ name }) => name);
  return [
    ...mutants
      .filter(({ rule }) => !ids.includes(rule))
      .map(({ name, rule }) => `mutant ${name}: breaks ${rule}, which docs/protocol.md does not have`),
    ...names.filter((name, index) => names.indexOf(name) !== index).map((name) => `mutant ${name}: there are two of this name`),
  ];
}

export function reportRules({ protocol, tests, mutants }: RuleSources, finished: Finished = FINISHED): RuleReport {
  const ids = parseRules(protocol);
  const citations = [...tests].flatMap(([file, source]) => readCitations(file, source).map((citation) => ({ ...citation, file })));
  const rules = ids.map((id): RuleTests => {
    const own = citations.filter((citation) => citation.rule === id);
    const files = [...new Set(own.map((citation) => citation.file))].toSorted();
    return { id, finished: isFinished(id, finished), tests: own, files, mutants: mutants.filter(({ rule }) => rule === id).map(({ name }) => name) };
  });
  const unknown = citations.filter((citation) => !ids.includes(citation.rule));
  return {
    rules,
    problems: [
      ...strayNames(ids, finished),
      ...unknown.map(({ file, line, rule }) => `${file}:${line}: cites ${rule}, which docs/protocol.md does not have`),
      ...strayMutants(ids, mutants),
      ...rules.flatMap(whatIsMissing),
    ],
  };
}

function tableRow(rule: RuleTests): string {
  const links = rule.files.map((file) => `[${file}](../${file})`);
  const proved = links.length > 0 ? links.join(', ') : rule.finished ? 'none yet' : 'not yet implemented';
  return `| ${rule.id} | ${proved} | ${rule.mutants.join(', ')} |`;
}

/** The generated table. It names files, not counts, so that it changes only when a file begins or ceases to prove a rule. */
export function renderTable(rules: readonly RuleTests[]): string {
  return ['| rule | proved in | broken by the mutants |', '|---|---|---|', ...rules.map(tableRow)].join('\n');
}

/** The page with the table between its markers replaced. Throws when the page has no markers. */
export function replaceTable(page: string, table: string): string {
  const begin = page.indexOf(TABLE_BEGIN);
  const end = page.indexOf(TABLE_END, begin);
  if (begin === -1 || end === -1)
    throw new Error(`docs/rules.md: the markers ${TABLE_BEGIN} and ${TABLE_END} are missing; put them around the table`);
  return `${page.slice(0, begin + TABLE_BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}
