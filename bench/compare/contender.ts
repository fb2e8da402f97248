/** What is measured side by side: the same few things to do, whoever does them. Each contender is a file in `peers/`. */

/** A small object, as most calls carry one. */
export interface Small {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
}

/** One is like another but for its id, by which answers are checked. */
export const small = (id: number): Small => ({ id, name: 'Ada Lovelace', tags: ['a', 'b'] });

export const BLOB_BYTES = 64 * 1024;

/** What a server says of a blob, so that a caller knows that it came whole. */
export interface BlobReceipt {
  readonly bytes: number;
  /** The first byte plus the last. */
  readonly probe: number;
}

export const receiptOf = (blob: Uint8Array): BlobReceipt => ({ bytes: blob.length, probe: (blob[0] ?? 0) + (blob[blob.length - 1] ?? 0) });

/** What a server says of a stream it took. */
export interface StreamReceipt {
  readonly items: number;
  /** Sum of the items' ids. */
  readonly sum: number;
}

/** One client, connected to its server. Whatever it answers wrongly, the workloads notice. */
export interface PeerClient {
  /** Answers the same object. */
  echo(input: Small): Promise<Small>;
  /** The server takes 64 KiB of bytes, as bytes where the peer has them, and answers its receipt. */
  blob(blob: Uint8Array): Promise<BlobReceipt>;
  /** A call that the server does not answer before `letGo`. */
  hold(input: Small): Promise<unknown>;
  /** Answers every waiting `hold`. */
  letGo(): Promise<void>;
  /** The server sends `small(0)` … `small(count - 1)` one by one; `each` sees every one in the client, in order. Settles at the end. */
  download(count: number, each: (item: Small) => void): Promise<void>;
  /** The client sends `small(0)` … `small(count - 1)` one by one; settles with what the server took. */
  upload(count: number): Promise<StreamReceipt>;
  close(): Promise<void>;
}

/** The server's side: runs in a process of its own. */
export interface PeerServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface Peer {
  /** As the table says it. */
  readonly title: string;
  /** The npm packages it is made of: their versions are printed, the first one names it. */
  readonly packages: readonly string[];
  /** What a reader should know of how it was set up: transport, codec, what it lacks. One line. */
  readonly remark: string;
  /** What it can't do of the workloads, by the method's name, with the reason. */
  readonly lacks?: Readonly<Partial<Record<keyof PeerClient, string>>>;
  /** Serves on 127.0.0.1 at a free port. */
  serve(): Promise<PeerServer>;
  connect(port: number): Promise<PeerClient>;
}
