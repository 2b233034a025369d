import {
  CoreApp,
  type AnnotationSupport,
  type DataSourceInstanceSettings,
  type LegacyMetricFindQueryOptions,
  type MetricFindValue,
  type ScopedVars,
  type TimeRange,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';
import type { DataQuery } from '@grafana/schema';

import { fill, interpolate, promqlFormat } from './interpolate';
import { parseVariableQuery } from './variables';
import {
  DEFAULT_DETECTOR,
  DEFAULT_KIND,
  PLAIN_KINDS,
  OUTPUT_ANNOTATIONS,
  OUTPUT_LATEST,
  OUTPUT_SERIES,
  type Descriptors,
  type ForeshockOptions,
  type ForeshockQuery,
  type Metric,
} from './types';

/** How many metric names one completion list asks for. */
const METRIC_LIMIT = 500;

/** What a new query starts with. Alert rules need one number per series. */
function defaults(output: string): Partial<ForeshockQuery> {
  return { kind: DEFAULT_KIND, expr: '', detector: DEFAULT_DETECTOR, output };
}

/** Sends queries to the plugin's back end and asks it for what the forms need. It computes nothing itself. */
export class DataSource extends DataSourceWithBackend<ForeshockQuery, ForeshockOptions> {
  annotations: AnnotationSupport<ForeshockQuery> = {
    getDefaultQuery: () => defaults(OUTPUT_ANNOTATIONS),
    prepareQuery: (annotation) =>
      annotation.target && asks(annotation.target)
        ? { ...annotation.target, refId: 'Anno', output: OUTPUT_ANNOTATIONS }
        : undefined,
  };

  private answers = new Map<string, Promise<unknown>>();

  constructor(settings: DataSourceInstanceSettings<ForeshockOptions>) {
    super(settings);
  }

  getDefaultQuery(app: CoreApp): Partial<ForeshockQuery> {
    return defaults(isAlerting(app) ? OUTPUT_LATEST : OUTPUT_SERIES);
  }

  filterQuery(query: ForeshockQuery): boolean {
    return !query.hide && asks(query);
  }

  getQueryDisplayText(query: ForeshockQuery): string {
    return query.expr || Object.values(query.dimensions ?? {}).join(', ');
  }

  applyTemplateVariables(query: ForeshockQuery, scopedVars: ScopedVars): ForeshockQuery {
    return interpolate(getTemplateSrv(), query, scopedVars);
  }

  /** Keeps the PromQL and the legend when a user switches from another data source that speaks it. */
  async importQueries(queries: DataQuery[]): Promise<ForeshockQuery[]> {
    return queries.map((query) => {
      const text = (name: string) => String((query as unknown as Record<string, unknown>)[name] ?? '');
      const legend = text('legendFormat');
      const named = legend !== '' && legend !== '__auto'; // which is Prometheus' word for what happens here without one
      return { ...defaults(OUTPUT_SERIES), expr: text('expr'), ...(named && { legend }), refId: query.refId };
    });
  }

  /** Values of a dashboard variable: `label_names()`, `label_values(label)`, `label_values(selector, label)` or `metrics(prefix)`. */
  async metricFindQuery(query: unknown, options?: LegacyMetricFindQueryOptions): Promise<MetricFindValue[]> {
    const text = fill(getTemplateSrv(), variableText(query), options?.scopedVars ?? {}, promqlFormat);
    const wanted = parseVariableQuery(text);
    switch (wanted.kind) {
      case 'label_names':
        return (await this.labelNames(options?.range)).map((name) => ({ text: name }));
      case 'label_values':
        return (await this.labelValues(wanted.label, options?.range, wanted.selector)).map((value) => ({
          text: value,
        }));
      case 'metrics':
        return (await this.metrics(wanted.prefix, options?.range)).map((metric) => ({ text: metric.name }));
    }
  }

  /** Detectors, their parameters and the outputs, in `lang`. Asked once; a failure is not remembered, so that asking again can help. */
  descriptors(lang: string): Promise<Descriptors> {
    return this.once('descriptors', { lang });
  }

  metrics(prefix: string, range?: TimeRange): Promise<Metric[]> {
    return this.once('metrics', { prefix, limit: METRIC_LIMIT, ...seconds(range) });
  }

  labelNames(range?: TimeRange): Promise<string[]> {
    return this.once('labels', seconds(range));
  }

  /** Values of a label, of all series or of those that a selector such as `up{job="api"}` matches. */
  labelValues(label: string, range?: TimeRange, selector?: string): Promise<string[]> {
    return this.once(`labels/${encodeURIComponent(label)}/values`, {
      ...seconds(range),
      ...(selector && { match: selector }),
    });
  }

  private once<T>(path: string, params: Record<string, string | number>): Promise<T> {
    const key = `${path}?${JSON.stringify(params)}`;
    const known = this.answers.get(key) as Promise<T> | undefined;
    if (known) {
      return known;
    }
    const asked: Promise<T> = this.getResource<T>(path, params, { showErrorAlert: false });
    this.answers.set(key, asked);
    asked.catch(() => this.answers.delete(key));
    return asked;
  }
}

/** Whether there is anything to ask for yet. */
function asks(query: ForeshockQuery): boolean {
  return (
    Boolean(query.expr?.trim()) ||
    Object.keys(query.dimensions ?? {}).length > 0 ||
    PLAIN_KINDS.includes(query.kind ?? '')
  );
}

export function isAlerting(app: string | undefined): boolean {
  return app === CoreApp.UnifiedAlerting || app === CoreApp.CloudAlerting;
}

/** The range in unix seconds, rounded to five minutes so that the same question is asked once. */
function seconds(range?: TimeRange): Record<string, number> {
  if (!range) {
    return {};
  }
  const round = (ms: number, to: (n: number) => number) => to(ms / 300_000) * 300;
  return { start: round(range.from.valueOf(), Math.floor), end: round(range.to.valueOf(), Math.ceil) };
}

/** Variables hold their query as text; older dashboards wrap it. */
function variableText(query: unknown): string {
  if (typeof query === 'string') {
    return query;
  }
  if (query && typeof query === 'object' && 'query' in query && typeof query.query === 'string') {
    return query.query;
  }
  return '';
}
