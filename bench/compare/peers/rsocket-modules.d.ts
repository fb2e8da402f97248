/** What is used here of RSocket's packages, which bring no types of their own. */

declare module 'rsocket-flowable' {
  export interface SingleSubscriber<T> {
    onSubscribe(cancel?: () => void): void;
    onComplete(value: T): void;
    onError(error: Error): void;
  }

  export class Single<T> {
    static of<T>(value: T): Single<T>;
    static error<T>(error: Error): Single<T>;
    constructor(source: (subscriber: SingleSubscriber<T>) => void);
    subscribe(subscriber: Partial<SingleSubscriber<T>>): void;
  }

  export interface Subscription {
    request(credit: number): void;
    cancel(): void;
  }

  export interface Subscriber<T> {
    onSubscribe(subscription: Subscription): void;
    onNext(value: T): void;
    onComplete(): void;
    onError(error: Error): void;
  }

  export class Flowable<T> {
    static error<T>(error: Error): Flowable<T>;
    constructor(source: (subscriber: Subscriber<T>) => void);
    subscribe(subscriber: Partial<Subscriber<T>>): void;
  }
}

declare module 'rsocket-core' {
  import type { Flowable, Single } from 'rsocket-flowable';

  export interface Payload {
    readonly data: Uint8Array;
  }

  export interface ReactiveSocket {
    requestResponse(payload: Payload): Single<Payload>;
    requestStream(payload: Payload): Flowable<Payload>;
    requestChannel(payloads: Flowable<Payload>): Flowable<Payload>;
    close(): void;
  }

  export type Responder = Partial<ReactiveSocket>;

  export interface Encoders {
    readonly data: unknown;
  }

  export const BufferEncoders: Encoders;

  export interface ClientConfig {
    readonly setup: {
      readonly dataMimeType: string;
      readonly metadataMimeType: string;
      readonly keepAlive: number;
      readonly lifetime: number;
    };
    readonly transport: object;
  }

  export class RSocketClient {
    constructor(config: ClientConfig);
    connect(): Single<ReactiveSocket>;
    close(): void;
  }

  export class RSocketServer {
    constructor(config: { readonly getRequestHandler: () => Responder; readonly transport: object });
    start(): void;
    stop(): void;
  }
}

declare module 'rsocket-tcp-client' {
  import type { Socket, TcpNetConnectOpts } from 'node:net';
  import type { Encoders } from 'rsocket-core';

  class RSocketTcpClient {
    constructor(options: TcpNetConnectOpts, encoders: Encoders);
    setupSocket(socket: Socket): void;
  }

  // CommonJS: what is imported by default holds the class in its own `default`.
  const exported: { readonly default: typeof RSocketTcpClient };
  export default exported;
}

declare module 'rsocket-tcp-server' {
  import type { Server, Socket } from 'node:net';
  import type { Encoders } from 'rsocket-core';

  export interface TcpServerOptions {
    readonly host: string;
    readonly port: number;
    readonly serverFactory: (onConnection: (socket: Socket) => void) => Server;
  }

  class RSocketTcpServer {
    constructor(options: TcpServerOptions, encoders: Encoders);
  }

  const exported: { readonly default: typeof RSocketTcpServer };
  export default exported;
}
