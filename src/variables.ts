import { t } from '@grafana/i18n';

export type VariableQuery =
  { kind: 'label_names' } | { kind: 'label_values'; label: string } | { kind: 'metrics'; prefix: string };

/** Reads the query of a dashboard variable. Throws one sentence that names what is allowed. */
export function parseVariableQuery(text: string): VariableQuery {
  const [, name, argument = ''] = /^\s*(\w+)\(\s*([^(),{}]*?)\s*\)\s*$/.exec(text) ?? [];
  if (name === 'label_names' && argument === '') {
    return { kind: 'label_names' };
  }
  if (name === 'label_values' && argument !== '') {
    return { kind: 'label_values', label: argument };
  }
  if (name === 'metrics') {
    return { kind: 'metrics', prefix: argument };
  }
  throw new Error(
    t('variable.unknown', 'Variable query "{{text}}" is not known: want {{allowed}}', {
      text,
      allowed: 'label_names(), label_values(<label>), metrics(<prefix>)',
      interpolation: { escapeValue: false },
    })
  );
}
