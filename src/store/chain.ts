/**
 * A queue of things in the order of a time, oldest first, that anything can leave from the middle without a search: the links are in the things
 * themselves.
 *
 *   oldest ⇄ … ⇄ newest
 */

/** What can be in a chain: in one at a time. */
export interface Chained<N extends Chained<N>> {
  previous: N | undefined;
  next: N | undefined;
  chain: Chain<N> | undefined;
  /** When it was put in, in milliseconds. */
  since: number;
}

export class Chain<N extends Chained<N>> {
  oldest: N | undefined = undefined;
  newest: N | undefined = undefined;

  /** Puts a node that is in no chain at the end. */
  push(node: N, since: number): void {
    node.since = since;
    node.chain = this;
    node.previous = this.newest;
    node.next = undefined;
    if (this.newest === undefined) this.oldest = node;
    else this.newest.next = node;
    this.newest = node;
  }

  /** Takes a node out; nothing happens when it is not in this chain. */
  remove(node: N): void {
    if (node.chain !== this) return;
    if (node.previous === undefined) this.oldest = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.newest = node.previous;
    else node.next.previous = node.previous;
    node.chain = undefined;
    node.previous = undefined;
    node.next = undefined;
  }
}
