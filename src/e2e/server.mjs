// Serves the harness page, the built plugin, and the answers that the plugin's back end would give, on a free port of 127.0.0.1.
import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { createServer } from 'vite';

export const root = path.resolve(import.meta.dirname, '../..');
const harness = path.join(import.meta.dirname, 'harness');
const dist = path.join(root, 'dist');
const images = path.join(root, 'node_modules/@grafana/ui/dist/public');
const monaco = path.join(root, 'node_modules/monaco-editor/min');
const testdata = path.join(root, 'pkg/plugin/testdata');
/** What the back end answers to `descriptors`, by language. */
const FIXTURES = { en: 'descriptors.json', 'zh-Hans': 'descriptors.zh-Hans.json' };

const TYPES = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
};

const METRICS = [
  { name: 'http_requests_total', type: 'counter', help: 'Requests served.' },
  { name: 'http_request_duration_seconds_bucket', type: 'histogram', help: 'Time to answer.' },
  { name: 'node_load1', type: 'gauge', help: '1m load average.' },
  { name: 'up', type: 'gauge', help: 'Whether the last scrape worked.' },
];
const VALUES = { job: ['node', 'prometheus'], service: ['cart', 'checkout', 'frontend'], instance: ['a:9100'] };

export async function descriptors(lang) {
  return JSON.parse(await fs.readFile(path.join(testdata, FIXTURES[lang]), 'utf8'));
}

/** The answer of a resource of the back end; undefined when there is none. */
async function resource(name, query) {
  if (name === 'descriptors') {
    return descriptors(query.get('lang'));
  }
  if (name === 'metrics') {
    return METRICS.filter((metric) => metric.name.startsWith(query.get('prefix') ?? ''));
  }
  if (name === 'labels') {
    return Object.keys(VALUES);
  }
  return VALUES[/^labels\/(\w+)\/values$/.exec(name)?.[1]];
}

/** Small things that the page asks for and no package ships. */
const SMALL = {
  // Grafana's own; @grafana/ui names it but does not carry it.
  '/public/build/img/icons/unicons/spinner.svg': '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"/>',
  // Nothing is reloaded while a test runs.
  '/@vite/client':
    'export const createHotContext = () => ({ accept() {}, prune() {} }); export const updateStyle = () => {}; export const removeStyle = () => {}; export const injectQuery = (url) => url;',
};

/** Addresses that stand for folders. */
const FOLDERS = { '/plugin/': dist, '/public/build/': images, '/monaco/': monaco };

/** The file that an address stands for, or undefined. */
function fileOf(pathname) {
  if (pathname === '/') {
    return path.join(harness, 'index.html');
  }
  const prefix = Object.keys(FOLDERS).find((start) => pathname.startsWith(start));
  return prefix ? path.join(FOLDERS[prefix], pathname.slice(prefix.length)) : undefined;
}

function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': TYPES[type] ?? 'application/octet-stream' });
  response.end(body);
}

/** Answers what Grafana's server would; `next` answers the rest: the page's own modules. */
async function answer(request, response, next) {
  const url = new URL(request.url, 'http://harness');
  const api = /^\/api\/datasources\/uid\/\w+\/resources\/(.+)$/.exec(url.pathname);
  if (api) {
    const body = await resource(api[1], url.searchParams);
    send(response, body ? 200 : 404, '.json', JSON.stringify(body ?? { error: `no resource ${api[1]}` }));
    return;
  }
  const small = SMALL[url.pathname];
  if (small !== undefined) {
    send(response, 200, path.extname(url.pathname) || '.js', small);
    return;
  }
  const file = fileOf(url.pathname);
  if (!file) {
    next();
    return;
  }
  const body = await fs.readFile(file).catch(() => undefined);
  send(response, body ? 200 : 404, path.extname(file), body);
}

/** Starts the server; `address` is where the page is, `close` ends it. */
export async function serve() {
  const shared = ['@emotion/css', '@grafana/data', '@grafana/runtime', '@grafana/ui', 'i18next', 'rxjs'];
  const react = [
    'react',
    'react/jsx-runtime',
    'react/jsx-dev-runtime',
    'react-dom',
    'react-dom/client',
    'react-i18next',
  ];
  const vite = await createServer({
    configFile: false,
    root: harness,
    cacheDir: path.join(root, 'node_modules/.vite-harness'),
    logLevel: 'error',
    appType: 'custom',
    esbuild: { jsx: 'automatic' },
    server: { middlewareMode: true, hmr: false, ws: false, watch: null, fs: { allow: [root] } },
    // Bundled once, before the page asks: a page that reloads in the middle of a test proves nothing.
    optimizeDeps: {
      noDiscovery: true,
      include: [...shared, ...react, 'systemjs/dist/system.js', 'systemjs/dist/extras/amd.js'],
    },
  });
  const server = http.createServer((request, response) => {
    answer(request, response, () => vite.middlewares(request, response)).catch(() => response.writeHead(500).end());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await vite.close();
    },
  };
}
