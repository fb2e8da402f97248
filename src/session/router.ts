/** Where each message of a payload goes: to its connection, by one look-up, or to what the session answers by itself (control.ts). */
import type { DriverMessage } from '../driver/driver.ts';
import type { Message } from '../wire/index.ts';
import { Control } from './control.ts';
import type { SessionCore } from './session-core.ts';

export class Router {
  readonly control: Control;
  readonly #core: SessionCore;

  constructor(core: SessionCore) {
    this.#core = core;
    this.control = new Control(core);
  }

  readonly route = (message: Message): void => {
    const core = this.#core;
    if (core.status === 'closed') return;
    switch (message.type) {
      case 'call':
      case 'response':
      case 'cancel':
      case 'item':
      case 'items':
      case 'end':
      case 'reset':
      case 'grant':
        if (message.connectionId === 0) core.root.receive(message);
        else this.#toVirtual(message);
        return;
      default:
        this.control.receive(message);
    }
  };

  #toVirtual(message: DriverMessage): void {
    const { connections } = this.#core;
    const connection = connections.find(message.connectionId);
    // Known, but not accepted yet: nothing may be said on it (conn.open).
    if (connection === undefined || connection.host === undefined) connections.unknown(message.connectionId);
    else connection.receive(message);
  }
}
