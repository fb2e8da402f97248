/**
 * Checks the files of `src` against the table of rooms.ts: no room uses one it may not, no package is imported where it may not be, no two
 * files need each other to load, and the core entry reaches nothing that a browser lacks. Pure: files in, violations out.
 */
import { posix } from 'node:path';
import { readImports, type ImportReference } from './imports.ts';
import { REACHES, ROOMS, type Reach, type Room } from './rooms.ts';

/** Path below `src`, with `/`, to source text. */
export type SourceFiles = ReadonlyMap<string, string>;

export interface LayerTable {
  readonly rooms: readonly Room[];
  readonly reaches: readonly Reach[];
}

interface Edge extends ImportReference {
  readonly from: string;
  /** The file below `src`, or undefined for a package. */
  readonly file: string | undefined;
}

type Graph = ReadonlyMap<string, readonly Edge[]>;

function resolve(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
}

/** `node:` for the built-ins, else the name without the path inside the package. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:';
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? specifier);
}

function buildGraph(files: SourceFiles): Graph {
  const graph = new Map<string, readonly Edge[]>();
  for (const [from, source] of files) {
    graph.set(
      from,
      readImports(from, source).map((reference) => ({ ...reference, from, file: resolve(from, reference.specifier) })),
    );
  }
  return graph;
}

function roomOf(path: string, rooms: readonly Room[]): Room | undefined {
  return rooms.find((room) => room.paths.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place)));
}

function checkEdge(edge: Edge, room: Room, rooms: readonly Room[]): string | undefined {
  const where = `src/${edge.from}:${edge.line}`;
  if (edge.file === undefined) {
    const name = packageOf(edge.specifier);
    return room.packages.includes(name) ? undefined : `${where}: '${room.name}' may not import the package '${edge.specifier}'`;
  }
  const target = roomOf(edge.file, rooms);
  if (target === undefined || target === room || room.uses.includes(target.name)) return undefined;
  if (edge.kind === 'type' && room.typesOf?.includes(target.name)) return undefined;
  return `${where}: '${room.name}' may not use '${target.name}' (${edge.specifier})`;
}

function checkRooms(graph: Graph, rooms: readonly Room[]): string[] {
  const violations: string[] = [];
  for (const [path, edges] of graph) {
    const room = roomOf(path, rooms);
    if (room === undefined) {
      violations.push(`src/${path}: is in no room; say in scripts/lib/rooms.ts where it belongs`);
      continue;
    }
    for (const edge of edges) {
      const violation = checkEdge(edge, room, rooms);
      if (violation !== undefined) violations.push(violation);
    }
  }
  return violations;
}

/** Types are erased, so files that know each other by type only still load in order: such circles are allowed. */
function loads(graph: Graph, path: string): string[] {
  const targets = (graph.get(path) ?? []).filter((edge) => edge.kind === 'static' && edge.file !== undefined && graph.has(edge.file));
  return targets.map((edge) => edge.file as string);
}

function findCycles(graph: Graph): string[] {
  const violations: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      const circle = [...trail.slice(start), path].map((file) => `src/${file}`);
      violations.push(`${circle.join(' → ')}: these files need each other to load`);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const next of loads(graph, path)) visit(next);
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return violations;
}

/** Breadth first, so that the way told is a shortest one: a Map also visits what is added while it is walked. */
function checkReach(graph: Graph, reach: Reach): string[] {
  const violations: string[] = [];
  const ways = new Map<string, readonly string[]>([[reach.entry, [`src/${reach.entry}`]]]);
  for (const [path, way] of ways) {
    for (const edge of graph.get(path) ?? []) {
      if (edge.kind === 'type' || (edge.kind === 'dynamic' && !reach.dynamicToo)) continue;
      if (edge.file === undefined) {
        if (reach.never.includes(packageOf(edge.specifier)))
          violations.push(`${[...way, edge.specifier].join(' → ')}: must not be reached from there`);
      } else if (!ways.has(edge.file)) {
        ways.set(edge.file, [...way, `src/${edge.file}`]);
      }
    }
  }
  return violations;
}

/** One sentence for each violation; empty when all is well. */
export function checkLayers(files: SourceFiles, table: LayerTable = { rooms: ROOMS, reaches: REACHES }): string[] {
  const graph = buildGraph(files);
  return [...checkRooms(graph, table.rooms), ...findCycles(graph), ...table.reaches.flatMap((reach) => checkReach(graph, reach))];
}
