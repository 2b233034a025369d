// A page that stands in for Grafana: it loads the shipped dist/module.js as Grafana does (SystemJS with its AMD extra, shared dependencies under
// "package:"), and draws one of its editors. What the editors report is kept in window.harness for the tests.
import { createRoot } from 'react-dom/client';

import { startGrafana } from './grafana';
import { Page } from './Page';

// Last: once the AMD extra is there, lodash and others hand themselves to it instead of to their importers.
import 'systemjs/dist/system.js';
import 'systemjs/dist/extras/amd.js';

declare global {
  interface Window {
    /** Everything the editors handed to Grafana, oldest first. */
    harness: { changes: unknown[]; runs: number; value: unknown };
  }
}

window.harness = { changes: [], runs: 0, value: undefined };

const address = new URLSearchParams(location.search);

void startGrafana(address.get('lang') ?? 'en-US').then((plugin) => {
  createRoot(document.getElementById('root')!).render(<Page plugin={plugin} address={address} />);
});
