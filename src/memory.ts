/** `statewire/memory`: links inside a process and between its threads. Runs in browsers too. */
import { makeNetwork } from './transport/memory.ts';
import type { Network, NetworkOptions, NetworkTapEvent } from './transport/memory.ts';
import { decodeMessages } from './wire/index.ts';
import type { Message } from './wire/index.ts';

export { messagePort } from './transport/message-port.ts';
export type { MessagePortAddress, MessagePortLike } from './transport/message-port.ts';
export type { MemoryAddress } from './transport/memory.ts';

/** What `MemoryNetwork.tap` shows. */
export type TapEvent = NetworkTapEvent<Message>;
export type MemoryNetworkOptions = NetworkOptions;
/** See `memoryNetwork`. */
export type MemoryNetwork = Network<Message>;

/** A network inside the process, with connectors and listeners by name and faults to order. Rules link.*. */
export function memoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return makeNetwork(decodeMessages, options);
}
