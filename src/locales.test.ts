import fs from 'node:fs';
import path from 'node:path';

import plugin from './plugin.json';

/** key.name → text, of a nested locale file. */
function texts(language: string): Record<string, string> {
  const file = path.join(__dirname, 'locales', language, `${plugin.id}.json`);
  const flat: Record<string, string> = {};
  const walk = (node: unknown, at: string) => {
    if (typeof node === 'string') {
      flat[at] = node;
      return;
    }
    for (const [key, value] of Object.entries(node as object)) {
      walk(value, at ? `${at}.${key}` : key);
    }
  };
  walk(JSON.parse(fs.readFileSync(file, 'utf8')), '');
  return flat;
}

/** Every key in the sources with the text written beside it. */
function used(): Record<string, string> {
  const found: Record<string, string> = {};
  const files = fs.readdirSync(__dirname, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => /\.tsx?$/.test(name) && !/\.test\.|^e2e/.test(name))) {
    const source = fs.readFileSync(path.join(__dirname, file), 'utf8');
    for (const [, key, single, double] of source.matchAll(/\bt\(\s*'([^']+)',\s*(?:'((?:[^'\\]|\\.)*)'|"([^"]*)")/g)) {
      found[key!] = (single ?? double ?? '').replaceAll("\\'", "'");
    }
    for (const [, key, text] of source.matchAll(/<Trans i18nKey="([^"]+)">([^<]*)<\/Trans>/g)) {
      found[key!] = text!.replace(/\s+/g, ' ').trim();
    }
    const calls = source.match(/\bt\(|<Trans\b/g)?.length ?? 0;
    const read =
      (source.match(/\bt\(\s*'[^']+',\s*['"]/g)?.length ?? 0) + (source.match(/<Trans i18nKey="[^"]+">/g)?.length ?? 0);
    expect([file, read]).toEqual([file, calls]); // a key that is put together cannot be checked
  }
  return found;
}

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort();

test('plugin.json names the languages that exist', () => {
  expect(fs.readdirSync(path.join(__dirname, 'locales')).sort()).toEqual([...plugin.languages].sort());
});

test('English is what stands in the sources', () => {
  const found = used();
  expect(Object.keys(found).length).toBeGreaterThan(50);
  expect(texts('en-US')).toEqual(found);
});

test.each(plugin.languages)('%s has every text, with the same places to fill', (language) => {
  const english = texts('en-US');
  const translated = texts(language);
  expect(Object.keys(translated).sort()).toEqual(Object.keys(english).sort());
  for (const [key, text] of Object.entries(translated)) {
    expect([key, text.trim()]).not.toEqual([key, '']);
    expect([key, placeholders(text)]).toEqual([key, placeholders(english[key]!)]);
  }
});
