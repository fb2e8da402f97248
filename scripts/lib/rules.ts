/**
 * The rules of docs/protocol.md against the tests that cite them: which rule is proved where, what is missing, and the table of
 * docs/rules.md. Pure: texts in, report out. It sees that a test exists and cites the rule, not that the test is a good one.
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

/** The ids named by `finished` that no rule has: a typing error there would silently demand nothing. */
function strayNames(ids: readonly string[], finished: Finished): string[] {
  const areas = new Set(ids.map((id) => id.slice(0, id.indexOf('.'))));
  const strays = [...finished.areas.filter((area) => !areas.has(area)), ...[...finished.rules, ...finished.except].filter((id) => !ids.includes(id))];
  return strays.map((name) => `scripts/lib/rules.ts: the list of finished rules names ${name}, which docs/protocol.md does not have`);
}

/** `tests`: path from the root of the repository to source text. */
export function reportRules(protocol: string, tests: ReadonlyMap<string, string>, finished: Finished = FINISHED): RuleReport {
  const ids = parseRules(protocol);
  const citations = [...tests].flatMap(([file, source]) => readCitations(file, source).map((citation) => ({ ...citation, file })));
  const rules = ids.map((id): RuleTests => {
    const own = citations.filter((citation) => citation.rule === id);
    return { id, finished: isFinished(id, finished), tests: own, files: [...new Set(own.map((citation) => citation.file))].toSorted() };
  });
  const unknown = citations.filter((citation) => !ids.includes(citation.rule));
  return {
    rules,
    problems: [
      ...strayNames(ids, finished),
      ...unknown.map(({ file, line, rule }) => `${file}:${line}: cites ${rule}, which docs/protocol.md does not have`),
      ...rules.filter((rule) => rule.finished && rule.tests.length === 0).map((rule) => `${rule.id}: is finished and has no test that cites it`),
    ],
  };
}

function tableRow(rule: RuleTests): string {
  const links = rule.files.map((file) => `[${file}](../${file})`);
  return `| ${rule.id} | ${links.length > 0 ? links.join(', ') : rule.finished ? 'none yet' : 'not yet implemented'} |`;
}

/** The generated table. It names files, not counts, so that it changes only when a file begins or ceases to prove a rule. */
export function renderTable(rules: readonly RuleTests[]): string {
  return ['| rule | proved in |', '|---|---|', ...rules.map(tableRow)].join('\n');
}

/** The page with the table between its markers replaced. Throws when the page has no markers. */
export function replaceTable(page: string, table: string): string {
  const begin = page.indexOf(TABLE_BEGIN);
  const end = page.indexOf(TABLE_END, begin);
  if (begin === -1 || end === -1)
    throw new Error(`docs/rules.md: the markers ${TABLE_BEGIN} and ${TABLE_END} are missing; put them around the table`);
  return `${page.slice(0, begin + TABLE_BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}
