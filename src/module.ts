import { DataSourcePlugin } from '@grafana/data';

import { ConfigEditor } from './components/ConfigEditor';
import { QueryEditor } from './components/QueryEditor';
import { DataSource } from './datasource';
import { initLanguage } from './i18n';
import type { ForeshockOptions, ForeshockQuery } from './types';

// Not awaited: an AMD module cannot be. It is done long before anything is drawn.
void initLanguage();

export const plugin = new DataSourcePlugin<DataSource, ForeshockQuery, ForeshockOptions>(DataSource)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor);
