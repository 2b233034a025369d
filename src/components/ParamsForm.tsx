import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Trans, t } from '@grafana/i18n';
import { Button, useStyles2 } from '@grafana/ui';

import { unknownNames, withValue } from '../params';
import type { Param, ParamValues } from '../types';
import { ParamField } from './ParamField';

interface Props {
  /** In front of the ids of the fields, so that several queries can stand on one page. */
  id: string;
  params: Param[];
  values: ParamValues | undefined;
  /** Gets only what differs from the defaults; undefined when nothing does. */
  onChange: (values: ParamValues | undefined) => void;
}

/** A form drawn from what the back end tells about its parameters. A new parameter needs no change here. */
export function ParamsForm({ id, params, values, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const unknown = unknownNames(values, params);

  const remove = (name: string) => {
    const { [name]: _, ...rest } = values ?? {};
    onChange(Object.keys(rest).length > 0 ? rest : undefined);
  };

  if (params.length === 0 && unknown.length === 0) {
    return (
      <div className={styles.nothing}>
        <Trans i18nKey="params-form.nothing">There is nothing to set.</Trans>
      </div>
    );
  }
  return (
    <div className={styles.grid}>
      {params.map((param) => (
        <ParamField
          key={param.name}
          id={`${id}-${param.name}`}
          param={param}
          value={values?.[param.name]}
          onChange={(value) => onChange(withValue(values, param, value))}
        />
      ))}
      {unknown.map((name) => (
        <div key={name} className={styles.unknown} role="alert">
          {t('params-form.unknown', 'Unknown parameter "{{name}}"', { name, interpolation: { escapeValue: false } })}
          <Button size="sm" variant="secondary" icon="trash-alt" onClick={() => remove(name)}>
            <Trans i18nKey="params-form.remove">Remove</Trans>
          </Button>
        </div>
      ))}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  grid: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(190px, 240px))',
    gap: theme.spacing(1.5, 2),
    alignItems: 'start',
  }),
  nothing: css({ color: theme.colors.text.secondary }),
  unknown: css({
    display: 'flex',
    flexDirection: 'column',
    alignItems: 'start',
    gap: theme.spacing(0.5),
    color: theme.colors.error.text,
  }),
});
