import { t } from '@grafana/i18n';

import type { Metric } from '../types';
import { AGGREGATIONS, FUNCTIONS, KEYWORDS, RANGES } from './language';
import { situation } from './situation';

/** What completion asks the data source. */
export interface Names {
  metrics(prefix: string): Promise<Metric[]>;
  labelNames(): Promise<string[]>;
  labelValues(label: string): Promise<string[]>;
  /** Names of the dashboard's variables. */
  variables(): string[];
}

export interface Proposal {
  text: string;
  kind: 'metric' | 'function' | 'aggregation' | 'keyword' | 'label' | 'value' | 'range' | 'variable';
  /** Shown beside the text. */
  detail?: string;
  /** Shown when the proposal is looked at. */
  help?: string;
}

export interface Completion {
  /** The text from here to the cursor is replaced. */
  from: number;
  proposals: Proposal[];
}

/** What can stand at the end of `before`. Names that cannot be had are left out: completion never disturbs typing. */
export async function complete(before: string, names: Names): Promise<Completion> {
  const at = situation(before);
  switch (at.kind) {
    case 'none':
      return { from: before.length, proposals: [] };
    case 'range':
      return { from: at.from, proposals: RANGES.map((text) => ({ text, kind: 'range' })) };
    case 'label-name':
      return { from: at.from, proposals: (await orNone(names.labelNames())).map((text) => ({ text, kind: 'label' })) };
    case 'label-value': {
      const values = (await orNone(names.labelValues(at.label))).map((value): Proposal => ({
        text: escape(value),
        kind: 'value',
      }));
      return { from: at.from, proposals: [...values, ...variables(names)] };
    }
    case 'expression':
      return { from: at.from, proposals: await expression(before.slice(at.from), names) };
  }
}

async function expression(word: string, names: Names): Promise<Proposal[]> {
  const metrics = word.startsWith('$') ? [] : await orNone(names.metrics(word));
  const called =
    (kind: 'function' | 'aggregation', detail: string) =>
    (text: string): Proposal => ({ text, kind, detail });
  return [
    ...metrics.map((metric): Proposal => ({
      text: metric.name,
      kind: 'metric',
      detail: metric.type,
      help: metric.help,
    })),
    ...AGGREGATIONS.map(called('aggregation', t('promql.aggregation', 'aggregation'))),
    ...FUNCTIONS.map(called('function', t('promql.function', 'function'))),
    ...KEYWORDS.map((text): Proposal => ({ text, kind: 'keyword' })),
    ...variables(names),
  ];
}

function variables(names: Names): Proposal[] {
  const detail = t('promql.variable', 'dashboard variable');
  return names.variables().map((name) => ({ text: `$${name}`, kind: 'variable', detail }));
}

/** Inside a quoted PromQL string. */
function escape(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

async function orNone<T>(asked: Promise<T[]>): Promise<T[]> {
  try {
    return (await asked) ?? [];
  } catch {
    return [];
  }
}
