/**
 * What becomes of the ends that a caller kept when the link of their call is lost (resume.rebind): interrupted, then bound to a new channel if the call is
 * sent again, else forsaken. An end whose user was done with it is not bound anew: what was cut off must not look complete, and what was complete is not
 * needed a second time.
 */
import { bindReceiver, bindSender, Pair, unboundReceiver, unboundSender, wakePort } from '../channel-pair.ts';
import type { Half, ReceivingPort, SendingPort } from '../channel-pair.ts';
import { asError, LINK_LOST, RESTARTED } from './channel-loss.ts';
import { ChannelReceiver } from './channel-receiver.ts';
import { ChannelSender } from './channel-sender.ts';
import type { BoundEnd, Channels } from './channels.ts';
import { InterruptedReceiver, InterruptedSender } from './interrupted-ends.ts';

/** Ends a channel that is to begin anew. Who waits on it hears so now, the others at their next use. */
export function interruptEnd(end: BoundEnd): void {
  const hadWaiting = end.waiting > 0;
  const isCurrent = portOf(end) === end;
  end.lost(RESTARTED);
  if (!isCurrent || isDone(end)) return;
  if (end instanceof ChannelSender) interruptSender(end.half, hadWaiting);
  else interruptReceiver(end, hadWaiting);
}

/** Who carries out, or will once it was told, what the handle wants. */
function portOf({ half: { port } }: BoundEnd): SendingPort | ReceivingPort {
  return port instanceof InterruptedSender || port instanceof InterruptedReceiver ? port.successor : port;
}

/** Its user wants nothing more of it. */
function isDone(end: BoundEnd): boolean {
  return end.isGivenUp || (end instanceof ChannelReceiver && end.isComplete);
}

function interruptSender(half: Half<SendingPort>, isTold: boolean): void {
  const successor = unboundSender(half.pair);
  // It was cut off again before its user was told of the first time: once is enough.
  if (half.port instanceof InterruptedSender) half.port.succeededBy(successor);
  else half.port = isTold ? successor : new InterruptedSender(half, successor);
}

function interruptReceiver(end: ChannelReceiver, isTold: boolean): void {
  const { half } = end;
  const successor = unboundReceiver(half.pair);
  if (half.port instanceof InterruptedReceiver) half.port.succeededBy(successor);
  else half.port = isTold ? successor : new InterruptedReceiver(half, end, successor);
}

/** The end of the new channel, in place of one that was interrupted. */
export function successorOf(end: BoundEnd, channels: Channels): BoundEnd {
  return end instanceof ChannelSender ? nextSender(end, channels) : nextReceiver(end, channels);
}

function nextSender(end: ChannelSender, channels: Channels): ChannelSender {
  const { half } = end;
  const next = new ChannelSender(channels, channels.nextChannelId(), isDone(end) ? new Pair(half.pair.credit).sending : half);
  if (isDone(end)) next.reset('restarted');
  else if (half.port instanceof InterruptedSender) half.port.succeededBy(next);
  else bindSender(half, next);
  return next;
}

function nextReceiver(end: ChannelReceiver, channels: Channels): ChannelReceiver {
  const { half } = end;
  const next = new ChannelReceiver(channels, channels.nextChannelId(), isDone(end) ? new Pair(half.pair.credit).receiving : half);
  if (end.isComplete) void discardAll(next);
  else if (end.isGivenUp) next.reset('restarted');
  else if (half.port instanceof InterruptedReceiver) half.port.succeededBy(next);
  else bindReceiver(half, next);
  return next;
}

/** Its user has had the whole stream: a second one is let pass, so that the handler comes to its answer. */
async function discardAll(receiver: ChannelReceiver): Promise<void> {
  try {
    while ((await receiver.recv(receiver)).done !== true);
  } catch {
    // Cut off: there is nothing to let pass any more.
  }
}

/** The call is not sent again: who waits for its channels hears that the link is lost. */
export function forsakeEnd(end: BoundEnd): void {
  const waiting = portOf(end);
  if (waiting === end) return;
  wakePort(waiting, asError(LINK_LOST));
  end.forsaken();
}
