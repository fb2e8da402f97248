/** How the command ends: its exit codes, and the errors that mean one of them. */

export const ExitCode = {
  ok: 0,
  /** The work was done wrong, or could not be done. */
  failed: 1,
  /** Wrong arguments, or input of no use. */
  usage: 2,
  /** All well, but for lines of the input that were skipped. */
  skippedLines: 3,
} as const;

/** What the user typed makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The file as a whole is of no use: missing, empty, not what it should be. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** A signal asked us to stop. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
  /** As shells have it: 128 and the signal's number. */
  readonly exitCode: number;

  constructor(signalName: string, exitCode: number) {
    super(`interrupted by ${signalName}`);
    this.exitCode = exitCode;
  }
}

/** Whoever reads our lines, as `head`, has seen enough when it is gone. */
export function leaveWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
}
