/** The layer check, on planted sources: every kind of violation is seen, and what is allowed is not complained of. */
import { describe, expect, it } from 'vitest';
import { readImports } from '../../scripts/lib/imports.ts';
import { checkLayers } from '../../scripts/lib/layers.ts';

const check = (files: Record<string, string>): string[] => checkLayers(new Map(Object.entries({ ...ENTRIES, ...files })));

/** The entries that are checked for what they reach have to be there. */
const ENTRIES = { 'index.ts': '', 'wire.ts': '', 'memory.ts': '', 'xstate.ts': '', 'websocket.ts': '' };

describe('readImports', () => {
  it.each([
    ["import { a } from './a.ts';", './a.ts', 'static'],
    ["import './a.ts';", './a.ts', 'static'],
    ["import { type A } from './a.ts';", './a.ts', 'static'],
    ["import type { A } from './a.ts';", './a.ts', 'type'],
    ["export * from './a.ts';", './a.ts', 'static'],
    ["export type { A } from './a.ts';", './a.ts', 'type'],
    ["type A = import('./a.ts').A;", './a.ts', 'type'],
    ["const load = () => import('./a.ts');", './a.ts', 'dynamic'],
    ['const load = () => import(`./a.ts`);', './a.ts', 'dynamic'],
  ] as const)('reads %s', (source, specifier, kind) => {
    expect(readImports('x.ts', source)).toEqual([{ specifier, kind, line: 1 }]);
  });

  it('takes neither comments nor strings for imports, and counts lines', () => {
    const source = "// import './no.ts';\nconst text = \"import './no.ts'\";\nimport './yes.ts';\nexport const x = text;";
    expect(readImports('x.ts', source)).toEqual([{ specifier: './yes.ts', kind: 'static', line: 3 }]);
  });
});

describe('checkLayers', () => {
  it('accepts imports that point down, and types of a room above where the table says so', () => {
    const files = {
      'errors.ts': 'export class RpcError {}',
      'wire/encode.ts': "import { Packr } from 'msgpackr'; import { RpcError } from '../errors.ts'; export { Packr, RpcError };",
      'contract.ts': "import type { Session } from './session/session.ts'; export type S = Session;",
      'session/session.ts': "import '../contract.ts'; import '../wire/encode.ts'; export interface Session { id: string }",
    };
    expect(check(files)).toEqual([]);
  });

  it.each([
    [
      'a room it may not use',
      { 'wire/a.ts': "import '../store/b.ts';", 'store/b.ts': '' },
      "src/wire/a.ts:1: 'wire' may not use 'store' (../store/b.ts)",
    ],
    ['even its types', { 'store/a.ts': "import type { B } from '../wire/b.ts';", 'wire/b.ts': '' }, "'store' may not use 'wire'"],
    ['a room above', { 'driver/a.ts': "import '../session/b.ts';", 'session/b.ts': '' }, "'driver' may not use 'session'"],
    ['more than types of a room above', { 'contract.ts': "import './session/b.ts';", 'session/b.ts': '' }, "'contract' may not use 'session'"],
    ['a package of another room', { 'driver/a.ts': "import 'xstate';" }, "'driver' may not import the package 'xstate'"],
    ['a path inside such a package', { 'driver/a.ts': "import 'xstate/graph';" }, "'driver' may not import the package 'xstate/graph'"],
    ['msgpackr outside wire', { 'store/a.ts': "import 'msgpackr';" }, "'store' may not import the package 'msgpackr'"],
    ['Node in the core', { 'session/a.ts': "import type { Socket } from 'node:net';" }, "'session' may not import the package 'node:net'"],
    ['a file in no room', { 'stray.ts': '' }, 'src/stray.ts: is in no room'],
  ])('refuses %s', (_what, files, violation) => {
    const violations = check(files);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(violation);
  });

  it('refuses files that need each other to load, naming the circle', () => {
    const circle = { 'wire/a.ts': "import './b.ts';", 'wire/b.ts': "import './c.ts';", 'wire/c.ts': "import './a.ts';" };
    expect(check(circle)).toEqual(['src/wire/a.ts → src/wire/b.ts → src/wire/c.ts → src/wire/a.ts: these files need each other to load']);
  });

  it('accepts files that know each other by type only', () => {
    expect(check({ 'wire/a.ts': "import './b.ts';", 'wire/b.ts': "import type { A } from './a.ts';" })).toEqual([]);
  });

  const reaching = (kind: string) => ({
    'index.ts': "export * from './connect.ts';",
    'connect.ts': "import './transport/tcp.ts';",
    'transport/tcp.ts': kind,
  });

  it.each(["import 'node:net';", "import('ws');"])('refuses a core entry that comes to %s', (source) => {
    const violations = check(reaching(source));
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain('src/index.ts → src/connect.ts → src/transport/tcp.ts → ');
  });

  it('lets the core name types of Node through a transport, since they are erased', () => {
    expect(check(reaching("import type { Socket } from 'node:net';"))).toEqual([]);
  });

  it('lets the websocket entry ask for ws on demand, but not load it', () => {
    const entry = { 'websocket.ts': "export * from './transport/websocket.ts';" };
    expect(check({ ...entry, 'transport/websocket.ts': "await import('ws');" })).toEqual([]);
    expect(check({ ...entry, 'transport/websocket.ts': "import 'ws';" })).toEqual([
      'src/websocket.ts → src/transport/websocket.ts → ws: must not be reached from there',
    ]);
  });
});
