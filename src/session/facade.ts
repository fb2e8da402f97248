/**
 * The `Session` that users hold of a session at work. Once it was given to them it is theirs alone, where the session is to end with its last handle
 * (liveness.gc): the runtime then has it only as long as somebody else does.
 */
import type { SessionCore } from './session-core.ts';
import type { Session } from './session.ts';

export class Facade {
  readonly #core: SessionCore;
  readonly #make: (core: SessionCore) => Session;
  #held: Session | undefined = undefined;
  #weak: WeakRef<Session> | undefined = undefined;

  constructor(core: SessionCore, make: (core: SessionCore) => Session) {
    this.#core = core;
    this.#make = make;
    this.#held = this.session;
  }

  /** The same one as long as anybody holds it. */
  get session(): Session {
    let session = this.#held ?? this.#weak?.deref();
    if (session === undefined) {
      session = this.#make(this.#core);
      this.#weak = new WeakRef(session);
    }
    return session;
  }

  /** It was given to its user. */
  letGo(): void {
    this.#held = undefined;
  }
}
