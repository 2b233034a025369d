import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import { Field, Icon, Tooltip, useStyles2 } from '@grafana/ui';

import type { Detector } from '../types';
import { Pick } from './Pick';

interface Props {
  id: string;
  detectors: Detector[];
  value: string;
  onChange: (name: string) => void;
}

/** Chooses a detector, and says in a sentence what it does and where its method comes from. */
export function DetectorPicker({ id, detectors, value, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const chosen = detectors.find((d) => d.name === value);
  const error = chosen
    ? undefined
    : t('detector-picker.unknown', 'Unknown detector "{{name}}": want one of {{allowed}}', {
        name: value,
        allowed: detectors.map((d) => d.name).join(', '),
        interpolation: { escapeValue: false },
      });
  return (
    <div className={styles.box}>
      <Field noMargin label={t('detector-picker.label', 'Detector')} htmlFor={id} invalid={!chosen} error={error}>
        <Pick
          id={id}
          options={detectors.map((d) => ({ label: d.title, value: d.name, description: d.summary }))}
          value={value}
          onChange={onChange}
        />
      </Field>
      {chosen && (
        <div className={styles.summary} data-testid={`${id}-summary`}>
          {chosen.summary}{' '}
          {chosen.source && (
            <Tooltip content={chosen.source}>
              <Icon name="book" size="sm" tabIndex={0} aria-label={chosen.source} />
            </Tooltip>
          )}
        </div>
      )}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({ width: 320, maxWidth: '100%' }),
  summary: css({
    marginTop: theme.spacing(0.5),
    color: theme.colors.text.secondary,
    fontSize: theme.typography.bodySmall.fontSize,
  }),
});
