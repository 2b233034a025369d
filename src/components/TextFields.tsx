import { css } from '@emotion/css';
import { t } from '@grafana/i18n';
import { Field, Input, useStyles2 } from '@grafana/ui';
import { useState } from 'react';

import type { ForeshockQuery } from '../types';
import { Pick } from './Pick';

interface Props {
  id: string;
  query: ForeshockQuery;
  onChange: (fields: Partial<ForeshockQuery>) => void;
}

/** The option that stores no language: the data source's setting decides. */
const UNSET = '';

/** How series are named, and in which language reasons and notices are written. */
export function TextFields({ id, query, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const [draft, setDraft] = useState<string>();

  const commit = () => {
    if (draft !== undefined && draft !== (query.legend ?? '')) {
      onChange({ legend: draft === '' ? undefined : draft });
    }
    setDraft(undefined);
  };

  return (
    <>
      <div className={styles.box}>
        <Field noMargin label={t('text-fields.legend', 'Legend')} htmlFor={`${id}-legend`}>
          <Input
            id={`${id}-legend`}
            value={draft ?? query.legend ?? ''}
            placeholder={t('text-fields.legend-placeholder', 'Labels, or {{example}}', { example: '{{job}}' })}
            onChange={(e) => setDraft(e.currentTarget.value)}
            onBlur={commit}
            onKeyDown={(e) => e.key === 'Enter' && commit()}
          />
        </Field>
      </div>
      <div className={styles.box}>
        <Field noMargin label={t('text-fields.lang', 'Language of reasons')} htmlFor={`${id}-lang`}>
          <Pick
            id={`${id}-lang`}
            options={[{ label: t('text-fields.lang-unset', 'As the data source'), value: UNSET }, ...languages()]}
            value={query.lang ?? UNSET}
            onChange={(lang) => onChange({ lang: lang === UNSET ? undefined : lang })}
          />
        </Field>
      </div>
    </>
  );
}

/** Languages the back end writes, each in its own name. */
export function languages() {
  return [
    { label: 'English', value: 'en' },
    { label: '简体中文', value: 'zh-Hans' },
  ];
}

const getStyles = () => ({ box: css({ width: 200 }) });
