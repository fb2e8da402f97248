/** The package has no types of its own. Locks of whole files, which the operating system lets go of with the process. */
declare module 'fs-native-extensions' {
  /** False: somebody else has it. */
  export function tryLock(file: number): boolean;
  export function unlock(file: number): void;
}
