/** The attempts that wait for one operation, in the order they joined (op.waiters). Nearly always it is one, and that costs nothing but a field. */
import type { ResponseEvent } from '../machines/response.ts';
import type { InboundAttempt } from './attempt.ts';

export class Waiters {
  #first: InboundAttempt | undefined;
  /** Those who joined after the first. */
  #others: Set<InboundAttempt> | undefined = undefined;

  constructor(first: InboundAttempt) {
    this.#first = first;
  }

  get size(): number {
    return (this.#first === undefined ? 0 : 1) + (this.#others?.size ?? 0);
  }

  /** Who has waited longest. */
  get first(): InboundAttempt | undefined {
    return this.#first;
  }

  add(attempt: InboundAttempt): void {
    if (this.#first === undefined) this.#first = attempt;
    else if (this.#first !== attempt) (this.#others ??= new Set()).add(attempt);
  }

  delete(attempt: InboundAttempt): void {
    if (this.#first !== attempt) {
      this.#others?.delete(attempt);
      return;
    }
    const [next] = this.#others ?? [];
    this.#first = next;
    if (next !== undefined) this.#others?.delete(next);
  }

  /** Sends each of them the event. Who joins meanwhile is not told. */
  tell(event: ResponseEvent): void {
    const others = this.#others === undefined ? undefined : [...this.#others];
    this.#first?.actor.send(event);
    if (others !== undefined) for (const attempt of others) attempt.actor.send(event);
  }

  /** The same, and from here on nobody waits. */
  dismiss(event: ResponseEvent): void {
    const first = this.#first;
    const others = this.#others;
    this.#first = undefined;
    this.#others = undefined;
    first?.actor.send(event);
    if (others !== undefined) for (const attempt of others) attempt.actor.send(event);
  }
}
