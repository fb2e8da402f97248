/**
 * Reads a statechart once: which states a transition leaves and enters, in which order, and what is done on the way. This is
 * XState's microstep for charts without parallel and history states, computed in advance (SCXML's domain, exit and entry
 * sets). It runs nothing; `compile.ts` makes the tables' functions of it.
 */
import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';

/** What a transition does to the configuration, in the order it is done. */
export interface Passage {
  readonly exits: readonly AnyStateNode[];
  readonly entries: readonly Entry[];
  /** The atomic or final state afterwards. */
  readonly leaf: AnyStateNode;
}

export interface Entry {
  readonly node: AnyStateNode;
  /** Its initial transition's actions run too: it was entered by default, not on the way to a named descendant. */
  readonly byDefault: boolean;
}

/** The state and its ancestors, the root last. */
export function chainOf(node: AnyStateNode): AnyStateNode[] {
  const chain: AnyStateNode[] = [];
  for (let marker: AnyStateNode | undefined = node; marker !== undefined; marker = marker.parent) {
    chain.push(marker);
  }
  return chain;
}

/** Every state of the chart, the given one first. */
export function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values<AnyStateNode>(node.states).flatMap(nodesOf)];
}

/** The states entered at the start: the root and its initial descendants. */
export function initialPassage(root: AnyStateNode): Passage {
  const nodes = withInitialDescendants(root);
  return { exits: [], entries: nodes.map((node) => ({ node, byDefault: true })), leaf: nodes.at(-1) ?? root };
}

/** What the transition does when taken in the given leaf. */
export function passageFrom(leaf: AnyStateNode, transition: AnyTransitionDefinition): Passage {
  const target = transition.target?.[0] as AnyStateNode | undefined;
  if (target === undefined) {
    return { exits: [], entries: [], leaf };
  }
  const source = transition.source as AnyStateNode;
  const domain = domainOf(transition, source, target);
  const exits = chainOf(leaf).filter((node) => isDescendant(node, domain));
  const entries = entriesOf({ source, target, domain, reenter: transition.reenter });
  const remaining = chainOf(leaf).filter((node) => !exits.includes(node));
  const after = [...remaining, ...entries.map((entry) => entry.node)];
  return { exits, entries, leaf: after.find((node) => isLeaf(node)) ?? leaf };
}

export function isLeaf(node: AnyStateNode): boolean {
  return node.type === 'atomic' || node.type === 'final';
}

/** An undefined ancestor stands for what is above the root, as in XState. */
function isDescendant(node: AnyStateNode, ancestor: AnyStateNode | undefined): boolean {
  return ancestor === undefined || chainOf(node).indexOf(ancestor) > 0;
}

function withInitialDescendants(node: AnyStateNode): AnyStateNode[] {
  const child = node.type === 'compound' ? (node.initial.target[0] as AnyStateNode) : undefined;
  return child === undefined ? [node] : [node, ...withInitialDescendants(child)];
}

/** The state that stays active while everything below it is left: undefined when the root itself is left. */
function domainOf(transition: AnyTransitionDefinition, source: AnyStateNode, target: AnyStateNode): AnyStateNode | undefined {
  if (!transition.reenter && (target === source || isDescendant(target, source))) {
    return source;
  }
  const common = chainOf(target)
    .slice(1)
    .find((ancestor) => isDescendant(source, ancestor));
  return common ?? (transition.reenter ? undefined : chainOf(source).at(-1));
}

interface EntryQuestion {
  readonly source: AnyStateNode;
  readonly target: AnyStateNode;
  readonly domain: AnyStateNode | undefined;
  readonly reenter: boolean;
}

function entriesOf({ source, target, domain, reenter }: EntryQuestion): Entry[] {
  const byDefault = new Map<AnyStateNode, boolean>();
  if (source !== target || source !== domain || reenter) {
    byDefault.set(target, true);
  }
  for (const node of withInitialDescendants(target).slice(1)) {
    byDefault.set(node, true);
  }
  const ancestors = target === domain ? [] : chainOf(target).slice(1);
  for (const ancestor of ancestors) {
    if (isDescendant(ancestor, domain) && !byDefault.has(ancestor)) {
      byDefault.set(ancestor, false);
    }
  }
  return [...byDefault].map(([node, isDefault]) => ({ node, byDefault: isDefault })).sort((a, b) => a.node.order - b.node.order);
}
