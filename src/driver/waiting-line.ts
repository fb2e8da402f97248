/**
 * First come, first served, with people leaving the line: every step costs the same however long it is. (A Set would do, but
 * looking for its first member walks over all that have left.)
 */
export class WaitingLine<T> {
  #places: (T | undefined)[] = [];
  #first = 0;
  /** How many have left from the front of `#places` for good: a ticket minus this is an index. */
  #removed = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Gives a ticket to leave by. */
  join(member: T): number {
    this.#size++;
    return this.#removed + this.#places.push(member) - 1;
  }

  leave(ticket: number): void {
    const index = ticket - this.#removed;
    if (index < this.#first || this.#places[index] === undefined) return;
    this.#places[index] = undefined;
    this.#size--;
  }

  /** Takes who is next. */
  next(): T | undefined {
    while (this.#first < this.#places.length) {
      const member = this.#places[this.#first];
      this.#places[this.#first++] = undefined;
      if (member === undefined) continue;
      this.#size--;
      this.#compact();
      return member;
    }
    this.#compact();
    return undefined;
  }

  /** Everybody leaves. */
  clear(): void {
    this.#size = 0;
    this.#compact();
  }

  #compact(): void {
    if (this.#size === 0) {
      // The same list again: most lines are short, and empty most of the time.
      this.#removed += this.#places.length;
      this.#places.length = 0;
      this.#first = 0;
      return;
    }
    if (this.#first < 1_024 || this.#first * 2 < this.#places.length) return;
    this.#places = this.#places.slice(this.#first);
    this.#removed += this.#first;
    this.#first = 0;
  }
}
