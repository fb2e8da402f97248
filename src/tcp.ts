/** `statewire/tcp`: links over TCP, TLS, Unix domain sockets and pairs of streams. Node only. */
export { tcp } from './transport/tcp.ts';
export type { TcpAddress, TcpOptions } from './transport/tcp.ts';
export { unix } from './transport/unix.ts';
export type { UnixAddress, UnixOptions } from './transport/unix.ts';
export { stdio } from './transport/stdio.ts';
export type { StdioAddress } from './transport/stdio.ts';
