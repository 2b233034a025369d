// Uses the built dist/module.js in a real Chromium, without Grafana:   npm run build && npm run e2e [-- part of a test's name]
// It prints one line per test and "N passed, N failed", and exits 1 when one failed. With SHOTS=<folder> it leaves a picture of each page there.
import fs from 'node:fs';
import path from 'node:path';
import { Editor, startChromium } from './browser.mjs';
import { configTests } from './config.mjs';
import { queryTests } from './query.mjs';
import { root, serve } from './server.mjs';

const TESTS = {
  ...Object.fromEntries(Object.entries(queryTests).map(([name, run]) => [`query editor ${name}`, run])),
  ...Object.fromEntries(Object.entries(configTests).map(([name, run]) => [`config editor ${name}`, run])),
};

async function runOne(name, run, browser, address) {
  const opened = [];
  const open = async (show, prepare) => {
    const editor = await Editor.open(browser, address, show, prepare);
    opened.push(editor);
    return editor;
  };
  try {
    await run(open);
    const complaints = opened.flatMap((editor) => editor.complaints);
    if (complaints.length > 0) {
      throw new Error(`the page complained: ${complaints.join('; ')}`);
    }
    return undefined;
  } catch (error) {
    return error;
  } finally {
    for (const [i, { page }] of opened.entries()) {
      if (process.env.SHOTS && !page.isClosed()) {
        const file = `${name.replaceAll(/\W+/g, '-')}${i > 0 ? `-${i + 1}` : ''}.png`;
        await page.screenshot({ path: path.join(process.env.SHOTS, file), fullPage: true });
      }
      await page.close();
    }
  }
}

async function main() {
  if (!fs.existsSync(path.join(root, 'dist/module.js'))) {
    throw new Error('dist/module.js is missing: run "npm run build" first');
  }
  const browser = await startChromium();
  const server = await serve();
  let failed = 0;
  const wanted = Object.entries(TESTS).filter(([name]) => name.includes(process.argv[2] ?? ''));
  try {
    for (const [name, run] of wanted) {
      const started = performance.now();
      const error = await runOne(name, run, browser, server.address);
      const took = `${((performance.now() - started) / 1000).toFixed(1)} s`;
      process.stdout.write(`${error ? 'FAIL' : 'ok  '} ${name} (${took})\n`);
      if (error) {
        failed++;
        process.stdout.write(`${error.stack ?? error}\n`);
      }
    }
  } finally {
    await browser.close();
    await server.close();
  }
  process.stdout.write(`${wanted.length - failed} passed, ${failed} failed\n`);
  return failed > 0 ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`e2e: ${error.message}\n`);
    process.exit(1);
  }
);
