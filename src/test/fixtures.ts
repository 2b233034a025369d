import fs from 'node:fs';
import path from 'node:path';

import type { DataSourceInstanceSettings } from '@grafana/data';

import { DataSource } from '../datasource';
import type { Descriptors, ForeshockOptions, ForeshockQuery } from '../types';

const testdata = path.resolve(__dirname, '../../pkg/plugin/testdata');

function json<T>(...names: string[]): T {
  return JSON.parse(fs.readFileSync(path.join(testdata, ...names), 'utf8')) as T;
}

/** What the back end's resource `descriptors` answers. */
export const descriptors = () => json<Descriptors>('descriptors.json');

/** Queries by file name that the back end's tests read, too. */
export function storedQueries(): Record<string, ForeshockQuery> {
  const names = fs.readdirSync(path.join(testdata, 'queries')).filter((name) => name.endsWith('.json'));
  return Object.fromEntries(names.map((name) => [name, json<ForeshockQuery>('queries', name)]));
}

/** A data source whose resources are answered by `answer`, which may throw. */
export function dataSource(answer: (path: string, params?: object) => unknown = () => descriptors()): DataSource {
  const settings = { id: 1, uid: 'u', type: 'foreshock-anomaly-datasource', name: 'Foreshock', jsonData: {}, meta: {} };
  const datasource = new DataSource(settings as unknown as DataSourceInstanceSettings<ForeshockOptions>);
  datasource.getResource = jest.fn(async (path: string, params?: object) => answer(path, params)) as never;
  return datasource;
}
