/**
 * Reads which modules a TypeScript source names, and how: as types only, at load time or on demand. It looks at the syntax, so
 * comments and strings are never taken for imports. What the imports may be is the business of layers.ts.
 */
import ts from 'typescript';

/** `type`: erased by the compiler. `static`: loaded with the module. `dynamic`: `import()` when it is reached. */
export type ImportKind = 'type' | 'static' | 'dynamic';

export interface ImportReference {
  readonly specifier: string;
  readonly kind: ImportKind;
  /** Counted from 1. */
  readonly line: number;
}

function kindOfDeclaration(node: ts.ImportDeclaration | ts.ExportDeclaration): ImportKind {
  const typeOnly = ts.isImportDeclaration(node) ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword : node.isTypeOnly;
  return typeOnly ? 'type' : 'static';
}

function referenceOf(node: ts.Node): { literal: ts.Node | undefined; kind: ImportKind } | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return { literal: node.moduleSpecifier, kind: kindOfDeclaration(node) };
  if (ts.isImportTypeNode(node)) return { literal: ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, kind: 'type' };
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return { literal: node.arguments[0], kind: 'dynamic' };
  return undefined;
}

/** Every import, re-export, `import()` and `import('…')` type of one file, in order. */
export function readImports(path: string, source: string): ImportReference[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const found: ImportReference[] = [];
  const visit = (node: ts.Node): void => {
    const reference = referenceOf(node);
    if (reference?.literal !== undefined && ts.isStringLiteralLike(reference.literal)) {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
      found.push({ specifier: reference.literal.text, kind: reference.kind, line });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
