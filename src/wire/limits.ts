/**
 * The limits of the wire, each with its reason. They bound what a peer can make this side hold or recurse into before any of it
 * has been looked at; docs/wire.md lists them for other implementations. Payload sizes are the link's (link.limit), not here.
 */

/** Containers (array, object, Map, Set) within each other. Far above any sane value, far below what the call stack bears. */
export const MAX_DEPTH = 500;

/** Bytes of a bigint: half of what V8 can hold, so that it is refused here and not by a crash there. */
export const MAX_BIGINT_BYTES = 2 ** 26;

/** UTF-8 bytes of a string operation id: it is a key of the store, which has its own bounds on keys. */
export const MAX_OPERATION_ID_BYTES = 1_024;

/** UTF-8 bytes of a reason or message: text for people. A writer cuts longer ones, a reader refuses them. */
export const MAX_TEXT_BYTES = 64 * 1024;

/** UTF-8 bytes of an identifier: rule id, session id, store identity, schema digest. */
export const MAX_NAME_BYTES = 1_024;

/** Entries of one message's metadata. Each costs an array and a string to hold. */
export const MAX_METADATA_ENTRIES = 1_024;
export const MAX_METADATA_KEY_BYTES = 1_024;
export const MAX_METADATA_VALUE_BYTES = 64 * 1024;

/** Channel ends in one call's argument: each becomes an actor. */
export const MAX_CHANNELS = 1_024;

/** Items in one `items` message: each costs a view, and no sender has more credit than this at the start (credit.cap). */
export const MAX_ITEMS = 65_536;

/** Bytes of a scope or resume key: both are random secrets of 16 to 32 bytes, and a scope may be given by the user. */
export const MAX_SECRET_BYTES = 1_024;
export const MIN_SCOPE_BYTES = 16;
export const RESUME_KEY_BYTES = 32;

/** Largest payload before the peer is authenticated (session.handshake-limits), so also the least that a side may say it takes. */
export const HANDSHAKE_MAX_PAYLOAD = 64 * 1024;
