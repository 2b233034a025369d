import { css } from '@emotion/css';
import type { DataSourcePluginOptionsEditorProps, GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import { Field, RadioButtonGroup, useStyles2 } from '@grafana/ui';

import type { ForeshockOptions, ForeshockSecrets, Param, ParamValue } from '../types';
import { ParamField } from './ParamField';
import { Pick } from './Pick';
import { languages } from './TextFields';

type Props = DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets>;

/** Settings of the data source that are described like parameters, with the same checks. */
function params(): Param[] {
  return [
    {
      name: 'maxSeries',
      title: t('detection-defaults.max-series', 'Most series'),
      type: 'integer',
      default: 100,
      min: 1,
      max: 10000,
      unit: t('detection-defaults.per-query', 'per query'),
      help: t('detection-defaults.max-series-help', 'More series than this are cut, and the panel says so.'),
    },
    {
      name: 'zone',
      title: t('detection-defaults.zone', 'Time zone'),
      type: 'string',
      default: 'UTC',
      help: t('detection-defaults.zone-help', 'Where days and weeks begin, like Europe/Berlin or Asia/Shanghai.'),
    },
    {
      name: 'settle',
      title: t('detection-defaults.settle', 'Settle'),
      type: 'duration',
      default: '0s',
      min: 0,
      max: 604800,
      help: t(
        'detection-defaults.settle-help',
        'Samples younger than this are not judged yet. Only for sources known to deliver late.'
      ),
    },
    {
      name: 'timeInterval',
      title: t('detection-defaults.scrape', 'Scrape interval'),
      type: 'duration',
      default: '15s',
      min: 0.001,
      max: 86400,
      help: t(
        'detection-defaults.scrape-help',
        'How often Prometheus scrapes; $__rate_interval is at least four times as long.'
      ),
    },
    {
      name: 'fitCacheMiB',
      title: t('detection-defaults.fit-cache', 'Memory for fits'),
      type: 'integer',
      default: 64,
      min: 1,
      max: 65536,
      unit: 'MiB',
      help: t(
        'detection-defaults.fit-cache-help',
        'Fitted models are kept up to this size and shared by panels and alert rules.'
      ),
    },
    {
      name: 'blockCacheMiB',
      title: t('detection-defaults.block-cache', 'Memory for samples'),
      type: 'integer',
      default: 256,
      min: 1,
      max: 65536,
      unit: 'MiB',
      help: t(
        'detection-defaults.block-cache-help',
        'Samples of past days are kept up to this size, so that they are not asked again.'
      ),
    },
  ];
}

/** What queries use when they do not say otherwise. */
export function DetectionDefaults({ options, onOptionsChange }: Props) {
  const styles = useStyles2(getStyles);
  const { jsonData } = options;
  const fields = jsonData as Record<string, ParamValue | undefined>;

  const set = (name: string, value: ParamValue | undefined) => {
    const { [name]: _, ...rest } = fields;
    onOptionsChange({ ...options, jsonData: value === undefined ? rest : { ...rest, [name]: value } });
  };

  return (
    <fieldset className={styles.grid} disabled={options.readOnly}>
      {params().map((param) => (
        <ParamField
          key={param.name}
          id={`foreshock-config-${param.name}`}
          param={param}
          value={fields[param.name]}
          onChange={(value) => set(param.name, value)}
        />
      ))}
      <Field noMargin label={t('detection-defaults.lang', 'Language of reasons')} htmlFor="foreshock-config-lang">
        <Pick
          id="foreshock-config-lang"
          options={languages()}
          value={jsonData.lang ?? 'en'}
          onChange={(lang) => set('lang', lang)}
        />
      </Field>
      <Field noMargin label={t('detection-defaults.method', 'HTTP method')}>
        <RadioButtonGroup
          options={[
            { label: 'POST', value: 'POST' },
            { label: 'GET', value: 'GET' },
          ]}
          value={jsonData.httpMethod ?? 'POST'}
          onChange={(method) => set('httpMethod', method)}
        />
      </Field>
    </fieldset>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  grid: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(210px, 260px))',
    gap: theme.spacing(2),
    alignItems: 'start',
    margin: theme.spacing(2, 0, 0),
    padding: 0,
    border: 0,
  }),
});
