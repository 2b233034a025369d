import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';
import type { ReactNode } from 'react';

/** The fields of one section of the settings, side by side where there is room. */
export function SettingsGrid({ children }: { children: ReactNode }) {
  return <div className={useStyles2(getStyles).grid}>{children}</div>;
}

const getStyles = (theme: GrafanaTheme2) => ({
  grid: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(260px, 1fr))',
    gap: theme.spacing(2),
    alignItems: 'start',
    marginTop: theme.spacing(2),
  }),
});
