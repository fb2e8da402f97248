/**
 * Finds the rule ids that test titles cite, by reading the source. A title is a string or template that begins with ids in brackets:
 * `[op.admit] …`, `[op.admit] [op.order] …`, `[op.admit, op.order] …`; in a template they may also follow a `${…}`. Tables of titles
 * count like titles. A skipped test proves nothing and is left out; a comment is not a title.
 */
import ts from 'typescript';

export interface Citation {
  readonly rule: string;
  readonly title: string;
  readonly line: number;
}

const ID = '[a-z]+\\.[a-z]+(?:-[a-z]+)*';
const GROUP = `\\[${ID}(?:, ?${ID})*\\]`;
const LEADING = new RegExp(`^(?:${GROUP} ?)+`);
const AFTER_HOLE = new RegExp(`\\$\\{\\}:? ?((?:${GROUP} ?)+)`);
const SKIPPED = new Set(['skip', 'todo']);

/** The text of a template with `${}` for each hole; undefined for what is no string. */
function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isTemplateExpression(node)) return node.head.text + node.templateSpans.map((span) => `\${}${span.literal.text}`).join('');
  return undefined;
}

function idsOf(text: string): string[] {
  const groups = LEADING.exec(text)?.[0] ?? AFTER_HOLE.exec(text)?.[1];
  return groups === undefined ? [] : [...new Set(groups.match(new RegExp(ID, 'g')))];
}

/** True for `it.skip(…)`, `it.todo(…)`, `describe.skip.each(…)(…)`, but not for `it.skipIf(…)`, which runs somewhere. */
function skips(callee: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(callee)) return SKIPPED.has(callee.name.text) || skips(callee.expression);
  return ts.isCallExpression(callee) && skips(callee.expression);
}

/** Every citation of one file, in order. */
export function readCitations(path: string, source: string): Citation[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const found: Citation[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && skips(node.expression)) return;
    const title = textOf(node);
    if (title !== undefined) {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
      for (const rule of idsOf(title)) found.push({ rule, title, line });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
