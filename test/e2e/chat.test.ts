/** The chat room's page in a real browser. */
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { openBrowser, wantsBrowser } from '../support/browser.ts';
import { startChat } from '../support/chat.ts';

async function enter(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url);
  await page.getByPlaceholder('Your name').fill(name);
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByText(`${name} joined`).waitFor();
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByPlaceholder('Say something').fill(text);
  await page.getByRole('button', { name: 'Say' }).click();
}

/** Waits until the last line is there, then gives all. */
async function lines(page: Page, last: string): Promise<string[]> {
  await page.getByText(last, { exact: true }).waitFor();
  return page.locator('#messages li').allTextContents();
}

it.skipIf(!wantsBrowser)(
  'two tabs chat over WebSocket, and one sees the other leave (needs Chromium: STATEWIRE_ALL=1)',
  { timeout: 120_000 },
  async () => {
    const { url, stop } = await startChat();
    const openTab = await openBrowser();
    const [ada, bob] = [await openTab(), await openTab()];
    await enter(ada, url, 'Ada');
    await enter(bob, url, 'Bob');
    await ada.getByText('Bob joined').waitFor();
    expect(await ada.locator('#members').textContent()).toBe('Ada, Bob');

    await say(ada, 'Hello, Bob');
    await bob.getByText('Ada: Hello, Bob').waitFor();
    await say(bob, 'Hello, <b>Ada</b>');
    expect(await lines(ada, 'Bob: Hello, <b>Ada</b>')).toEqual(['Ada joined', 'Bob joined', 'Ada: Hello, Bob', 'Bob: Hello, <b>Ada</b>']);
    expect(await lines(bob, 'Bob: Hello, <b>Ada</b>')).toEqual(['Bob joined', 'Ada: Hello, Bob', 'Bob: Hello, <b>Ada</b>']);

    await bob.close();
    expect((await lines(ada, 'Bob left')).at(-1)).toBe('Bob left');
    expect(await ada.locator('#members').textContent()).toBe('Ada');

    // The page is told when the room closes; the server ends though a tab is open.
    expect(await stop()).toMatchObject({ code: 0, stderr: '' });
    await ada.getByText('connection-closed').waitFor();
  },
);
