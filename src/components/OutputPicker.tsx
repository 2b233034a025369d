import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Trans, t } from '@grafana/i18n';
import { Button, Field, Icon, RadioButtonGroup, useStyles2 } from '@grafana/ui';

import { OUTPUT_LATEST, OUTPUT_SERIES, type Output } from '../types';

interface Props {
  id: string;
  outputs: Output[];
  value: string | undefined;
  alerting: boolean;
  fixed: boolean;
  onChange: (name: string) => void;
}

/** Chooses what the query answers with. Alert rules are told which one they can work with. */
export function OutputPicker({ id, outputs, value, alerting, fixed, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const current = value ?? outputs[0]?.name ?? OUTPUT_SERIES;
  const chosen = outputs.find((o) => o.name === current);
  return (
    <div data-testid={id}>
      <Field noMargin label={t('output-picker.label', 'Output')}>
        {fixed ? (
          <div className={styles.fixed}>{chosen?.title ?? current}</div>
        ) : (
          <RadioButtonGroup
            options={outputs.map((o) => ({ label: o.title, value: o.name, description: o.help }))}
            value={current}
            onChange={onChange}
          />
        )}
      </Field>
      {chosen?.help && <div className={styles.help}>{chosen.help}</div>}
      {alerting && current === OUTPUT_LATEST && (
        <div className={styles.hint}>
          <Icon name="info-circle" />
          <Trans i18nKey="output-picker.threshold">Let the rule fire when it is above or equal to 1.</Trans>
        </div>
      )}
      {alerting && current !== OUTPUT_LATEST && (
        <div className={styles.warning} role="alert">
          <Icon name="exclamation-triangle" />
          <Trans i18nKey="output-picker.alerting">An alert rule needs one number per series.</Trans>
          <Button size="sm" variant="secondary" onClick={() => onChange(OUTPUT_LATEST)}>
            <Trans i18nKey="output-picker.use-latest">Use the latest score</Trans>
          </Button>
        </div>
      )}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  fixed: css({ height: theme.spacing(4), display: 'flex', alignItems: 'center' }),
  help: css({
    maxWidth: 460,
    marginTop: theme.spacing(0.5),
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
  hint: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(1),
    marginTop: theme.spacing(1),
    color: theme.colors.info.text,
  }),
  warning: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(1),
    marginTop: theme.spacing(1),
    color: theme.colors.warning.text,
  }),
});
