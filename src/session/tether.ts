/**
 * What every handle of one connection holds on to: its clients, its `Connection`, for the root its `Session`. The runtime itself does not, so that when the
 * last of them is collected the tether is too, and says so (liveness.gc). Garbage collection is only the safety net of `release`.
 */
import type { AnyMethod, AnyService, CallOptions, Client } from '../contract.ts';
import { makeClient } from '../client.ts';
import type { Caller } from '../client.ts';
import type { ConnectionCore } from './connection-core.ts';

/** Weakly: the connection may lead back to its tether, which would then never be collected. */
const tethers = new FinalizationRegistry<WeakRef<ConnectionCore>>((core) => core.deref()?.handlesCollected());

export class Tether implements Caller {
  readonly core: ConnectionCore;

  constructor(core: ConnectionCore) {
    this.core = core;
    tethers.register(this, new WeakRef(core));
  }

  client<S extends AnyService>(service: S): Client<S> {
    return makeClient(service, this);
  }

  /** `call.client` in a handler: works as long as the connection is there, and does not hold it, since handlers release nothing. */
  clientOfHandler<S extends AnyService>(service: S): Client<S> {
    return makeClient(service, { call: (method, input, options) => this.call(method, input, options), clientMade() {}, clientReleased() {} });
  }

  call(method: AnyMethod, input: unknown, options: CallOptions): Promise<unknown> {
    return this.core.call(method, input, options);
  }

  clientMade(): void {
    this.core.holderCame();
  }

  clientReleased(): void {
    this.core.holderLeft();
  }
}
