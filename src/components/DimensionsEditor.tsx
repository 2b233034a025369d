import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import { Button, Field, Input, useStyles2 } from '@grafana/ui';
import { useState } from 'react';

import type { Names } from '../promql/complete';
import { PromQLEditor } from './PromQLEditor';

interface Props {
  id: string;
  /** PromQL by name. */
  dimensions: Record<string, string>;
  names: Names;
  /** Undefined when the last one is gone. */
  onChange: (dimensions: Record<string, string> | undefined) => void;
}

/** The dimensions of a vector, each with a name and PromQL of its own. A row is stored once it has both. */
export function DimensionsEditor({ id, dimensions, names, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const stored = Object.entries(dimensions);
  const [draft, setDraft] = useState<{ name: string; expr: string }>();

  const store = (rows: Array<[string, string]>) => onChange(rows.length > 0 ? Object.fromEntries(rows) : undefined);

  const change = (index: number, name: string, expr: string) => {
    if (index < stored.length) {
      if (name !== '' && expr !== '' && (name !== stored[index]![0] || expr !== stored[index]![1])) {
        store(stored.map((row, i) => (i === index ? [name, expr] : row)));
      }
    } else if (name !== '' && expr !== '') {
      setDraft(undefined);
      store([...stored, [name, expr]]);
    } else {
      setDraft({ name, expr });
    }
  };

  const rows: Array<[string, string]> = draft ? [...stored, [draft.name, draft.expr]] : stored;
  const label = t('dimensions.label', 'Dimensions');
  return (
    <Field noMargin label={label}>
      <div className={styles.rows} data-testid={`${id}-dimensions`}>
        {rows.map(([name, expr], index) => (
          <div key={index < stored.length ? name : 'new'} className={styles.row}>
            <Input
              id={`${id}-dimension-${index}`}
              aria-label={t('dimensions.name', 'Name')}
              className={styles.name}
              defaultValue={name}
              placeholder={t('dimensions.name-placeholder', 'requests')}
              onBlur={(e) => change(index, e.currentTarget.value.trim(), expr)}
            />
            <div className={styles.expr}>
              <PromQLEditor
                value={expr}
                label={t('dimensions.expr', 'PromQL of the dimension')}
                placeholder={t('dimensions.expr-placeholder', 'One series for each vector')}
                names={names}
                onCommit={(text) => change(index, name, text.trim())}
              />
            </div>
            <Button
              variant="secondary"
              icon="trash-alt"
              aria-label={t('dimensions.remove', 'Remove the dimension')}
              onClick={() =>
                index < stored.length ? store(stored.filter((_, i) => i !== index)) : setDraft(undefined)
              }
            />
          </div>
        ))}
        {!draft && (
          <Button size="sm" variant="secondary" icon="plus" onClick={() => setDraft({ name: '', expr: '' })}>
            {t('dimensions.add', 'Add a dimension')}
          </Button>
        )}
      </div>
    </Field>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  rows: css({
    display: 'flex',
    flexDirection: 'column',
    alignItems: 'flex-start',
    gap: theme.spacing(1),
    width: '100%',
  }),
  row: css({ display: 'flex', alignItems: 'flex-start', gap: theme.spacing(1), width: '100%' }),
  name: css({ width: 180, flexShrink: 0 }),
  expr: css({ flexGrow: 1, minWidth: 0 }),
});
