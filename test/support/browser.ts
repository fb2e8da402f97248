/** A real Chromium, the system's, for tests of what runs in a page. Where `wantsBrowser` is false, no test may need one. */
import { execFileSync } from 'node:child_process';
import { chromium } from 'playwright-core';
import type { Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

/** `npm test` passes on a machine without a browser; CI says STATEWIRE_ALL=1. */
export const wantsBrowser = (process.env['STATEWIRE_ALL'] ?? '') !== '';

function findChromium(): string {
  try {
    return execFileSync('which', ['chromium'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    throw new Error('no `chromium` on the PATH, which STATEWIRE_ALL asks for: apt-get install chromium', { cause: error });
  }
}

/** Starts a browser that ends with the test; gives what opens a tab of it. No tab may meet an error that nobody catches. */
export async function openBrowser(): Promise<() => Promise<Page>> {
  const browser = await chromium.launch({ executablePath: findChromium(), headless: true, args: ['--no-sandbox'] });
  const errors: string[] = [];
  onTestFinished(async () => {
    await browser.close();
    expect(errors).toEqual([]);
  });
  const context = await browser.newContext();
  return async () => {
    const page = await context.newPage();
    page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    return page;
  };
}
