// A thin layer over Chromium: opens the harness page, watches its console, and waits for what the editors report.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Generous: a busy machine is no fault of a test. */
const WAIT_MS = 60_000;

/** Starts the system's Chromium; a missing one is said in one sentence. */
export async function startChromium() {
  if (!fs.existsSync(CHROMIUM)) {
    throw new Error(
      `no Chromium at ${CHROMIUM}: install it (Debian: apt-get install chromium) or set CHROMIUM to its path`
    );
  }
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
}

/** One harness page. */
export class Editor {
  constructor(page) {
    this.page = page;
    this.complaints = [];
    this.requests = [];
  }

  /** Opens an editor. `show` are the fields of the page's address; an object is written as JSON. `prepare` may set up routes first. */
  static async open(browser, address, show = {}, prepare = async () => {}) {
    const page = await browser.newPage({ viewport: { width: 1300, height: 900 } });
    page.setDefaultTimeout(WAIT_MS);
    const editor = new Editor(page);
    page.on('console', (message) => {
      // Grafana's fonts are not in any package.
      if (message.type() === 'error' && !message.location().url.includes('/public/fonts/')) {
        editor.complaints.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on('pageerror', (error) => editor.complaints.push(String(error)));
    page.on('request', (request) => editor.requests.push(request.url().slice(address.length)));
    await prepare(page);
    const fields = Object.entries(show).map(([k, v]) => [k, typeof v === 'string' ? v : JSON.stringify(v)]);
    await page.goto(`${address}/?${new URLSearchParams(fields)}`);
    if (show.view !== 'config') {
      await page.getByTestId('foreshock-query-editor').waitFor();
      await page.locator('.monaco-editor textarea').first().waitFor({ state: 'attached' });
    }
    return editor;
  }

  /** What Grafana would store now. */
  async value() {
    return this.page.evaluate(() => window.harness.value);
  }

  async changes() {
    return this.page.evaluate(() => window.harness.changes.length);
  }

  async runs() {
    return this.page.evaluate(() => window.harness.runs);
  }

  /** Waits until what Grafana would store is this, and shows the difference when it never is. */
  async holds(want) {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      const have = await this.value();
      try {
        assert.deepEqual(have, want);
        return;
      } catch (error) {
        if (Date.now() > end) {
          throw error;
        }
      }
      await this.page.waitForTimeout(50);
    }
  }

  /** Types into a text field and leaves it. */
  async fill(id, text) {
    const input = this.page.locator(`[id="${id}"]`);
    await input.fill(text);
    await input.blur();
  }

  async sees(text) {
    await this.page.getByText(text).first().waitFor();
  }

  async picks(id, option) {
    await this.page.locator(`[id="${id}"]`).click();
    await this.page.getByRole('option', { name: option }).first().click();
  }
}
