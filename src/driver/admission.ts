/**
 * How a call with an operation id gets to run, or not (op.order): the store's look-up compares bytes only; then the arguments
 * are decoded and validated; then the operation is admitted; then it starts. Each step may come back later, when the operation
 * may have been cancelled meanwhile.
 */
import { validate } from '../schema.ts';
import type { Validated } from '../schema.ts';
import type { Admission, AdmitOptions, Lookup } from '../store/store.ts';
import { inquire, settle } from './maybe.ts';
import type { Inquiry } from './maybe.ts';
import type { LiveOperation, OperationIdentity } from './operation.ts';
import { failure, fromStored } from './outcome.ts';
import type { Outcome } from './outcome.ts';

const ADMITTED = { type: 'admitted' } as const;
const REPLAYED = { type: 'replayed' } as const;

/** Takes an operation that is not live elsewhere in this process from its first attempt to its start, or to a refusal. */
export function admit(operation: LiveOperation): void {
  const { identity } = operation;
  if (identity === undefined) prepareUnlessDraining(operation);
  else if (!identity.space.isReleasing(identity.id, identity.series)) lookUp(operation);
  else identity.space.afterRelease(identity.id, identity.series, () => lookUp(operation));
}

function lookUp(operation: LiveOperation): void {
  if (isWaiting(operation)) inquire(LOOKING_UP, operation);
}

const LOOKING_UP: Inquiry<LiveOperation, Lookup> = {
  ask: ({ host, identity, signature }) => host.endpoint.store.lookup(identity!.key, signature),
  onAnswer: (operation, found) => onLookup(operation, operation.identity!, found),
  onFailure: (operation, error) => refuseByStore(operation, 'look up', error),
};

const isWaiting = (operation: LiveOperation): boolean => operation.actor.value === 'admitting';

function onLookup(operation: LiveOperation, identity: OperationIdentity, found: Lookup): void {
  if (!isWaiting(operation)) return;
  const rerun = operation.method.idem && (found.state === 'released' || found.state === 'abandoned');
  if (found.state !== 'unknown' && !rerun) onKnown(operation, identity, found);
  else prepareUnlessDraining(operation);
}

/** session.drain: what is new is not begun. */
function prepareUnlessDraining(operation: LiveOperation): void {
  const { host } = (operation.owner ?? operation.first).inbound;
  if (host.draining) refuse(operation, failure('unavailable', 'draining', 'this side is closing and takes nothing new'));
  else prepare(operation);
}

/** The store knows the operation, and it is not to run here. */
function onKnown(operation: LiveOperation, identity: OperationIdentity, found: Admission): void {
  switch (found.state) {
    case 'sealed':
      replay(operation, found.outcome);
      return;
    case 'live':
      waitForOther(operation, identity);
      return;
    case 'conflict':
      refuse(operation, conflict());
      return;
    case 'refused':
      refuse(operation, failure('unavailable', found.reason, `the store cannot admit it: ${found.reason}`));
      return;
    case 'released':
      refuse(operation, failure('indeterminate', found.reason, 'the operation ended before without an outcome'));
      return;
    case 'abandoned':
      refuse(operation, failure('indeterminate', 'abandoned', 'the operation was admitted and its owner is lost'));
      return;
    case 'expired':
      refuse(operation, failure('indeterminate', 'expired', 'the operation is older than what is kept'));
      return;
    case 'started':
      refuseByStore(operation, 'look up', new Error('the store answered "started" to a look-up'));
  }
}

/** op.conflict */
export function conflict(): Outcome {
  return failure('invalid-payload', 'conflict', 'operation id conflict: this id was used for another method or other arguments');
}

function replay(operation: LiveOperation, stored: Uint8Array): void {
  const outcome = fromStored(stored);
  if (outcome === undefined) {
    refuse(operation, failure('indeterminate', 'store-lost', 'the stored outcome cannot be read'));
    return;
  }
  operation.host.counters.replayed++;
  operation.waiters.tell(REPLAYED);
  operation.actor.send({ type: 'replayed', outcome });
}

/** Another process runs it: its end is ours. */
function waitForOther(operation: LiveOperation, identity: OperationIdentity): void {
  const { store } = operation.host.endpoint;
  const gone = new AbortController();
  const watch = operation.actor.subscribe({ complete: () => gone.abort() });
  settle(
    () => store.settled(identity.key, gone.signal),
    (found) => {
      watch.unsubscribe();
      onLookup(operation, identity, found);
    },
    (error) => {
      watch.unsubscribe();
      if (!gone.signal.aborted) refuseByStore(operation, 'wait for', error);
    },
  );
}

/** Decodes and validates the arguments, then admits. */
function prepare(operation: LiveOperation): void {
  let input: unknown;
  try {
    input = operation.decodeInput();
  } catch (error) {
    refuse(operation, failure('invalid-payload', 'malformed', `the arguments do not decode: ${(error as Error).message}`));
    return;
  }
  const schema = operation.method.input;
  if (schema === undefined) {
    admitToStore(operation, input);
    return;
  }
  settle<Validated>(
    () => validate(schema, input),
    (validated) => onValidated(operation, validated),
    (error) => {
      operation.host.endpoint.options.log({
        level: 'error',
        event: 'schema-error',
        message: `the input schema of ${methodName(operation)} threw`,
        error,
      });
      refuse(operation, failure('invalid-payload', 'schema', 'the arguments could not be validated'));
    },
  );
}

const methodName = ({ method }: LiveOperation): string => `${method.service}.${method.name}`;

function onValidated(operation: LiveOperation, validated: Validated): void {
  if (validated.issues === undefined) {
    admitToStore(operation, validated.value);
    return;
  }
  const issue = validated.issues[0];
  const path = issue?.path === undefined || issue.path === '' ? 'input' : issue.path;
  refuse(operation, failure('invalid-payload', path, `${methodName(operation)}: ${path}: ${issue?.message ?? 'does not fit the schema'}`));
}

function admitToStore(operation: LiveOperation, input: unknown): void {
  if (!isWaiting(operation)) return;
  operation.input = input;
  if (!operation.isAdmittedToStore) {
    operation.actor.send(ADMITTED);
    return;
  }
  operation.admission = 'under way';
  inquire(ADMITTING, operation);
}

const ADMITTING: Inquiry<LiveOperation, Admission> = {
  ask: (operation) => operation.host.endpoint.store.admit(operation.identity!.key, operation.signature, admitOptions(operation)),
  onAnswer: (operation, admission) => {
    operation.admission = 'none';
    onAdmission(operation, operation.identity!, admission);
  },
  onFailure: (operation, error) => {
    operation.admission = 'none';
    refuseByStore(operation, 'admit', error);
    operation.admissionCameLate();
  },
};

/** The session of the owner is who must not have been replaced (resume.unknown). */
function admitOptions(operation: LiveOperation): AdmitOptions {
  const { method } = operation;
  const host = operation.owner === undefined ? operation.host : operation.owner.inbound.host;
  return { takeOver: method.idem, durable: method.persist, owned: true, series: host.peerSeries.id, epoch: host.epoch };
}

function onAdmission(operation: LiveOperation, identity: OperationIdentity, admission: Admission): void {
  if (admission.state === 'started') {
    // Cancelled while the store wrote: nothing ran, and the record must say that it never will.
    if (isWaiting(operation)) operation.actor.send(ADMITTED);
    else operation.release('released');
  } else if (admission.state === 'refused' && admission.fenced === true && isWaiting(operation) && operation.waiters.size > 1) {
    // The owner's session was replaced: the oldest waiter of one that was not owns the operation (resume.unknown).
    operation.disown(failure('unavailable', admission.reason, 'the session was replaced by a newer one'));
    admitToStore(operation, operation.input);
  } else if (isWaiting(operation)) {
    onKnown(operation, identity, admission);
  } else {
    operation.admissionCameLate();
  }
}

function refuse(operation: LiveOperation, outcome: Outcome): void {
  operation.refuseChannels(outcome);
  operation.actor.send({ type: 'refused', indeterminate: !outcome.ok && outcome.error.kind === 'indeterminate', outcome });
}

/** op.store-failure: nothing ran. */
function refuseByStore(operation: LiveOperation, what: string, error: unknown): void {
  operation.host.counters.storeFailures++;
  operation.host.endpoint.options.log({
    level: 'error',
    event: 'store-failure',
    message: `the store failed to ${what} an operation of ${methodName(operation)}`,
    error,
  });
  refuse(operation, failure('unavailable', 'store', 'the store cannot admit it now'));
}
