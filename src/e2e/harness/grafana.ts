// The parts of Grafana that a plugin meets when it is loaded: shared modules, translations, the back end and template services.
import * as emotion from '@emotion/css';
import * as data from '@grafana/data';
import * as runtime from '@grafana/runtime';
import * as ui from '@grafana/ui';
import i18next from 'i18next';
import EditorWorker from 'monaco-editor/esm/vs/editor/editor.worker?worker';
import * as react from 'react';
import * as jsx from 'react/jsx-runtime';
import * as reactDom from 'react-dom';
import { initReactI18next } from 'react-i18next';
import * as rxjs from 'rxjs';

import type { plugin as shipped } from '../../module';

export type Plugin = typeof shipped;

const ID = 'foreshock-anomaly-datasource';

const shared: Record<string, object> = {
  '@emotion/css': emotion,
  '@grafana/data': data,
  '@grafana/runtime': runtime,
  '@grafana/ui': ui,
  i18next,
  react,
  'react/jsx-runtime': jsx,
  'react-dom': reactDom,
  rxjs,
};

/** Sets up what Grafana sets up, then loads the plugin. */
export async function startGrafana(language: string): Promise<Plugin> {
  await i18next.use(initReactI18next).init({
    resources: { [language]: { grafana: { loaded: 'yes' } } },
    partialBundledLanguages: true,
    returnEmptyString: false,
    supportedLngs: ['en-US', 'zh-Hans'],
    fallbackLng: 'en-US',
    lng: language,
  });
  const locale = await fetch(`/plugin/locales/${language}/${ID}.json`);
  i18next.addResourceBundle(language, ID, await locale.json(), true, false);

  Object.assign(window, { MonacoEnvironment: { getWorker: () => new EditorWorker() } });
  runtime.setBackendSrv(backend as unknown as runtime.BackendSrv);
  runtime.setTemplateSrv(templates as unknown as runtime.TemplateSrv);

  for (const [name, module] of Object.entries(shared)) {
    System.set(`package:${name}`, module as System.Module);
  }
  System.addImportMap({ imports: Object.fromEntries(Object.keys(shared).map((name) => [name, `package:${name}`])) });
  const module = (await System.import('/plugin/module.js')) as { plugin: Plugin };
  return module.plugin;
}

const backend = {
  fetch: (request: { url: string; params?: Record<string, string> }) =>
    rxjs.from(ask(`${request.url}?${new URLSearchParams(request.params)}`)),
};

async function ask(url: string) {
  const answer = await fetch(url);
  const body: unknown = await answer.json();
  if (!answer.ok) {
    throw { status: answer.status, statusText: answer.statusText, data: body };
  }
  return { status: answer.status, data: body };
}

const templates = {
  replace: (text: string) => text,
  getVariables: () => [{ name: 'cluster' }],
  containsTemplate: () => false,
  updateTimeRange: () => undefined,
};
