/** The rule report, on small made-up protocols and tests, and what the command does with a made-up checkout. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FINISHED, parseRules, renderTable, replaceTable, reportRules, type Finished } from '../../scripts/lib/rules.ts';
import { applyMutant, selectionsOf } from '../../scripts/lib/mutants/mutant.ts';
import type { Mutant } from '../../scripts/lib/mutants/mutant.ts';
import { checkRules } from '../../scripts/lib/rules-command.ts';
import { readCitations } from '../../scripts/lib/titles.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('parseRules', () => {
  it('reads the ids in bold, at list items and inline, and no other bold words', () => {
    expect(parseRules('- **op.id** Of a **series**.\n(**retry.off**; else)\n- **op.seal-durable** x')).toEqual([
      'op.id',
      'retry.off',
      'op.seal-durable',
    ]);
  });

  it('refuses an id that is defined twice', () => {
    expect(() => parseRules('- **op.id** a\n- **op.id** b')).toThrow('op.id is defined twice');
  });

  it('finds the 101 rules of the protocol, in which the list of finished ones has no stray name', async () => {
    const protocol = await readFile(join(root, 'docs/protocol.md'), 'utf8');
    expect(parseRules(protocol)).toHaveLength(101);
    const problems = reportRules({ protocol, tests: new Map(), mutants: [] }, FINISHED).problems.filter((problem) =>
      problem.includes('does not have'),
    );
    expect(problems).toEqual([]);
  });
});

describe('readCitations', () => {
  const rulesIn = (source: string): string[] => readCitations('a.test.ts', source).map((citation) => citation.rule);

  it.each([
    ['one id', "it('[op.admit] admits', f);", ['op.admit']],
    ['two groups', "it('[op.admit] [op.order] admits', f);", ['op.admit', 'op.order']],
    ['two groups without a space', "it('[op.admit][op.order] admits', f);", ['op.admit', 'op.order']],
    ['a list in one group', "it('[op.admit, op.seal-durable] admits', f);", ['op.admit', 'op.seal-durable']],
    ['an id once, however often it stands there', "it('[op.admit] [op.admit] admits', f);", ['op.admit']],
    ['a suite', "describe('[link.close]', f);", ['link.close']],
    ['a template', 'it(`[link.close] after ${n} bytes`, f);', ['link.close']],
    ['a template after a hole', 'it(`${name}: [link.close] ends`, f);', ['link.close']],
    ['a title of a table', "it.each([['[op.id] numbers', 1], ['[op.scope] isolates', 2]])('%s', f);", ['op.id', 'op.scope']],
    ['a conditional test', "it.skipIf(windows)('[link.close] ends', f);", ['link.close']],
    ['a runner that is handed in', "runner.it('[op.replay] replays', f);", ['op.replay']],
  ])('reads %s', (_what, source, expected) => {
    expect(rulesIn(source)).toEqual(expected);
  });

  it.each([
    ['a comment', "// it('[op.admit] admits', f);"],
    ['a skipped test', "it.skip('[op.admit] admits', f);"],
    ['a test yet to be written', "it.todo('[op.admit] admits');"],
    ['a skipped suite', "describe.skip('all', () => { it('[op.admit] admits', f); });"],
    ['a skipped table', "it.skip.each([1])('[op.admit] admits %i', f);"],
    ['an id in the middle of a string', "expect(message).toBe('see [op.admit]');"],
    ['an id without brackets', "expect(error.rule).toBe('op.admit');"],
    ['a path into a value', "expect(error.path).toBe('[3].price');"],
  ])('does not count %s', (_what, source) => {
    expect(rulesIn(source)).toEqual([]);
  });
});

const PROTOCOL = '- **op.id** a\n- **op.admit** b\n- **channel.order** c\n';
const FINISHED_OP: Finished = { areas: ['op'], rules: [], except: [] };

/** One mutant for each rule of the made-up protocol. */
const MUTANTS = ['op.id', 'op.admit', 'channel.order'].map((rule) => ({ name: `break-${rule}`, rule }));

describe('reportRules', () => {
  const problemsOf = (source: string, finished = FINISHED_OP): readonly string[] =>
    reportRules({ protocol: PROTOCOL, tests: new Map([['test/a.test.ts', source]]), mutants: MUTANTS }, finished).problems;

  it('is content when every finished rule has a test', () => {
    expect(problemsOf("it('[op.id] x', f);\nit('[op.admit] y', f);")).toEqual([]);
  });

  it('demands a test of a finished rule, but not of one that is excepted or not yet finished', () => {
    expect(problemsOf("it('[op.id] x', f);")).toEqual(['op.admit: is finished and has no test that cites it']);
    expect(problemsOf("it('[op.id] x', f);", { ...FINISHED_OP, except: ['op.admit'] })).toEqual([]);
    expect(problemsOf('', { areas: [], rules: ['channel.order'], except: [] })).toEqual(['channel.order: is finished and has no test that cites it']);
  });

  it('demands a mutant of a finished rule, which breaks a rule that there is and has a name of its own', () => {
    const tests = new Map([['test/a.test.ts', "it('[op.id] [op.admit] x', f);"]]);
    const named = (name: string, rule: string): { name: string; rule: string } => ({ name, rule });
    const mutants = [named('one', 'op.id'), named('one', 'op.id'), named('two', 'op.idd')];
    expect(reportRules({ protocol: PROTOCOL, tests, mutants }, FINISHED_OP).problems).toEqual([
      'mutant two: breaks op.idd, which docs/protocol.md does not have',
      'mutant one: there are two of this name',
      'op.admit: is finished and no mutant breaks it (scripts/lib/mutants)',
    ]);
  });

  it('refuses a rule that the protocol does not have, saying where it is cited', () => {
    expect(problemsOf("it('[op.id] [op.admit] x', f);\nit('[op.admitt] y', f);")).toEqual([
      'test/a.test.ts:2: cites op.admitt, which docs/protocol.md does not have',
    ]);
  });

  it.each([{ areas: ['opp'] }, { rules: ['op.idd'] }, { except: ['op.idd'] }])('refuses a stray name in the list of finished rules: %o', (stray) => {
    const problems = problemsOf('', { areas: [], rules: [], except: [], ...stray });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('the list of finished rules names');
  });

  it('lists the files of a rule once each, sorted, and renders them as links', () => {
    const tests = new Map([
      ['test/b.test.ts', "it('[op.id] x', f);\nit('[op.id] y', f);"],
      ['test/a.test.ts', "it('[op.id] z', f);"],
    ]);
    const mutants = [...MUTANTS, { name: 'number-twice', rule: 'op.id' }];
    const { rules } = reportRules({ protocol: PROTOCOL, tests, mutants }, FINISHED_OP);
    expect(rules[0]).toMatchObject({ id: 'op.id', finished: true, files: ['test/a.test.ts', 'test/b.test.ts'] });
    expect(rules[0]?.tests).toHaveLength(3);
    expect(renderTable(rules).split('\n').slice(2)).toEqual([
      '| op.id | [test/a.test.ts](../test/a.test.ts), [test/b.test.ts](../test/b.test.ts) | break-op.id, number-twice |',
      '| op.admit | none yet | break-op.admit |',
      '| channel.order | not yet implemented | break-channel.order |',
    ]);
  });
});

describe('replaceTable', () => {
  it('replaces what is between the markers and nothing else, and settles', () => {
    const page = 'before\n<!-- rules:begin -->\nold\n<!-- rules:end -->\nafter\n';
    const renewed = replaceTable(page, 'new');
    expect(renewed).toBe('before\n<!-- rules:begin -->\n\nnew\n\n<!-- rules:end -->\nafter\n');
    expect(replaceTable(renewed, 'new')).toBe(renewed);
  });

  it('refuses a page without markers', () => {
    expect(() => replaceTable('nothing', 'new')).toThrow('the markers');
  });
});

const mutantOf = (rule: string): Mutant => ({ name: `break-${rule}`, rule, file: 'src/a.ts', find: 'yes', replace: 'no', tests: ['test/a.test.ts'] });

describe('a mutant', () => {
  it('is one edit of what stands once in its file', () => {
    expect(applyMutant(mutantOf('op.id'), 'let a = yes;')).toBe('let a = no;');
    expect(() => applyMutant(mutantOf('op.id'), 'let a = no;')).toThrow('break-op.id: src/a.ts has no "yes"');
    expect(() => applyMutant(mutantOf('op.id'), 'yes, yes')).toThrow('more than once');
  });

  it.each([
    ['[op.seal] ends', true],
    ['a store > [op.id] [op.seal] ends', true],
    ['[op.seal] a store > ends', true],
    ['[op.admit, op.seal] ends', true],
    ['[op.seal-durable] waits', false],
    ['[op.admit, op.seal-durable] waits', false],
    ['op.seal ends', false],
  ])('that breaks op.seal may be caught by a test named %s: %s', (title, mayCatch) => {
    const [selection] = selectionsOf(mutantOf('op.seal'));
    expect(selection?.file).toBe('test/a.test.ts');
    expect(new RegExp(selection?.pattern ?? '').test(title)).toBe(mayCatch);
  });
});

describe('checkRules', () => {
  const ids = [...FINISHED.areas.map((area) => `${area}.one`), ...FINISHED.rules, ...FINISHED.except];
  const mutants = ids.map(mutantOf);

  /** A checkout in which every rule that is finished has a test and a mutant, but the table is still empty. */
  async function makeCheckout(files: Record<string, string>): Promise<AsyncDisposable & { readonly path: string }> {
    const path = await mkdtemp(join(tmpdir(), 'statewire-rules-'));
    const all = {
      'docs/protocol.md': ids.map((id) => `- **${id}** text\n`).join(''),
      'docs/rules.md': '<!-- rules:begin --><!-- rules:end -->\n',
      'test/a.test.ts': ids.map((id) => `it('[${id}] holds', f);\n`).join(''),
      'src/a.ts': 'yes',
      'docs/mutants.md': mutants.map(({ name, rule }) => `| ${rule} | ${name} | … | … |\n`).join(''),
      ...files,
    };
    for (const [file, text] of Object.entries(all)) {
      await mkdir(dirname(join(path, file)), { recursive: true });
      await writeFile(join(path, file), text);
    }
    return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
  }

  it('finds a table that is out of date, renews it when told to, and is content then', async () => {
    await using checkout = await makeCheckout({ 'src/testing/operation-store.ts': "it('[op.one] in a suite for users', f);" });
    expect((await checkRules(checkout.path, { mutants, write: false })).problems).toEqual([
      'docs/rules.md: the table is out of date; run `npm run rules -- --write`',
    ]);
    expect((await checkRules(checkout.path, { mutants, write: true })).problems).toEqual([]);
    const report = await checkRules(checkout.path, { mutants, write: false });
    expect(report.problems).toEqual([]);
    expect(report.rules.find((rule) => rule.id === 'op.one')?.files).toEqual(['src/testing/operation-store.ts', 'test/a.test.ts']);
  });

  it('finds a mutant that nobody has tried since it was made', async () => {
    await using checkout = await makeCheckout({ 'docs/mutants.md': '' });
    expect((await checkRules(checkout.path, { mutants: mutants.slice(0, 1), write: true })).problems).toContain(
      'docs/mutants.md: has no break-id.one; run `npm run mutants -- --write`',
    );
  });

  it('finds a mutant that edits what is not there any more', async () => {
    await using checkout = await makeCheckout({ 'src/a.ts': 'perhaps' });
    expect((await checkRules(checkout.path, { mutants: mutants.slice(0, 1), write: true })).problems).toContain(
      'mutant break-id.one: src/a.ts has no "yes"',
    );
  });

  it('reads tests and what they share, but not the tests of the tools', async () => {
    await using checkout = await makeCheckout({
      'test/deep/b.test.ts': "it('[op.nowhere] x', f);",
      'test/support/suite.ts': "it('[op.nowhere-either] x', f);",
      'test/house/c.test.ts': "it('[op.ignored] x', f);",
    });
    expect((await checkRules(checkout.path, { mutants, write: true })).problems).toEqual([
      'test/deep/b.test.ts:1: cites op.nowhere, which docs/protocol.md does not have',
      'test/support/suite.ts:1: cites op.nowhere-either, which docs/protocol.md does not have',
    ]);
  });
});
