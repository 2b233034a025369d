// Draws one editor of the plugin, and keeps its value as Grafana's panel editor or settings page does.
import {
  createTheme,
  dateTime,
  ThemeContext,
  type DataSourceInstanceSettings,
  type DataSourceSettings,
} from '@grafana/data';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { useEffect, useState, useSyncExternalStore, type ComponentType } from 'react';

import type { ForeshockOptions, ForeshockQuery } from '../../types';
import type { Plugin } from './grafana';

interface Props {
  plugin: Plugin;
  address: URLSearchParams;
}

const settings = {
  id: 1,
  uid: 'foreshock',
  name: 'Foreshock',
  type: 'foreshock-anomaly-datasource',
  url: '/api/datasources/proxy/uid/foreshock',
  jsonData: { zone: 'UTC' },
  meta: { id: 'foreshock-anomaly-datasource', info: {} },
} as unknown as DataSourceInstanceSettings<ForeshockOptions>;

const range = {
  from: dateTime(1_700_000_000_000),
  to: dateTime(1_700_003_600_000),
  raw: { from: 'now-1h', to: 'now' },
};

export function Page({ plugin, address }: Props) {
  const theme = createTheme({ colors: { mode: address.get('theme') === 'light' ? 'light' : 'dark' } });
  useEffect(() => {
    Object.assign(document.body.style, {
      background: theme.colors.background.primary,
      color: theme.colors.text.primary,
    });
  });
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      {address.get('view') === 'config' ? <Config plugin={plugin} /> : <Query plugin={plugin} address={address} />}
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

/** Keeps a query outside of React, as Explore does: what is stored is drawn before the event that stored it has ended. */
class Store {
  private listeners = new Set<() => void>();

  constructor(private query: ForeshockQuery) {}

  get = () => this.query;

  set(query: ForeshockQuery) {
    this.query = structuredClone(query);
    this.listeners.forEach((listener) => listener());
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}

function Query({ plugin, address }: Props) {
  const [datasource] = useState(() => new plugin.DataSourceClass(settings));
  const [store] = useState(() => new Store(JSON.parse(address.get('query') ?? '{"refId":"A"}')));
  const query = useSyncExternalStore(store.subscribe, store.get);
  const Editor = plugin.components.QueryEditor as unknown as ComponentType<Record<string, unknown>>;
  useEffect(() => {
    window.harness.value = query;
  });
  return (
    <Editor
      query={query}
      datasource={datasource}
      range={range}
      app={address.get('app') ?? 'dashboard'}
      annotation={address.get('annotation') ? {} : undefined}
      onChange={(next: ForeshockQuery) => {
        window.harness.changes.push(next);
        store.set(next);
      }}
      onRunQuery={() => window.harness.runs++}
    />
  );
}

function Config({ plugin }: { plugin: Plugin }) {
  const [options, setOptions] = useState(() => ({
    ...settings,
    url: '',
    access: 'proxy',
    basicAuth: false,
    basicAuthUser: '',
    secureJsonFields: {},
    secureJsonData: {},
    jsonData: {},
  }));
  const Editor = plugin.components.ConfigEditor as unknown as ComponentType<Record<string, unknown>>;
  useEffect(() => {
    window.harness.value = options;
  });
  return (
    <Editor
      options={options}
      onOptionsChange={(next: DataSourceSettings<ForeshockOptions>) => {
        window.harness.changes.push(next);
        setOptions(next as unknown as typeof options);
      }}
    />
  );
}
