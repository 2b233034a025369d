import { t } from '@grafana/i18n';

export type VariableQuery =
  | { kind: 'label_names' }
  | { kind: 'label_values'; label: string; selector?: string }
  | { kind: 'metrics'; prefix: string };

/** As in Grafana's Prometheus data source: the label comes last, a series selector may stand before it. */
const LABEL_VALUES = /^\s*label_values\(\s*(?:(.+?)\s*,)?\s*([a-zA-Z_]\w*)\s*\)\s*$/s;

/** Reads the query of a dashboard variable. Throws one sentence that names what is allowed. */
export function parseVariableQuery(text: string): VariableQuery {
  const [, selector, label] = LABEL_VALUES.exec(text) ?? [];
  if (label) {
    return selector ? { kind: 'label_values', label, selector } : { kind: 'label_values', label };
  }
  const [, name, argument = ''] = /^\s*(\w+)\(\s*([^(),{}]*?)\s*\)\s*$/.exec(text) ?? [];
  if (name === 'label_names' && argument === '') {
    return { kind: 'label_names' };
  }
  if (name === 'metrics') {
    return { kind: 'metrics', prefix: argument };
  }
  throw new Error(
    t('variable.unknown', 'Variable query "{{text}}" is not known: want {{allowed}}', {
      text,
      allowed: 'label_names(), label_values(<label>), label_values(<selector>, <label>), metrics(<prefix>)',
      interpolation: { escapeValue: false },
    })
  );
}
