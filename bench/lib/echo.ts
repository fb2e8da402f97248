/** The service behind `Echo`. */
import { implement } from 'statewire';
import { Echo } from './contract.ts';

export function echoService() {
  const waiting: (() => void)[] = [];
  return implement(Echo, {
    async echo(input) {
      return input;
    },
    hold: () => new Promise<void>((resolve) => waiting.push(resolve)),
    letGo() {
      for (const resolve of waiting.splice(0)) resolve();
    },
  });
}
