import { css } from '@emotion/css';
import type { DataSourcePluginOptionsEditorProps, GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import { useStyles2 } from '@grafana/ui';

import type { ForeshockOptions, ForeshockSecrets } from '../types';
import { SecretField } from './SecretField';
import { TextSetting } from './TextSetting';

type Props = DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets>;

/** Where the webhook is, and the token with which it is asked. */
export function WebhookSettings(props: Props) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.form}>
      <TextSetting
        {...props}
        id="foreshock-config-webhook-url"
        name="webhookURL"
        label={t('webhook-settings.url', 'Webhook URL')}
        help={t('webhook-settings.url-help', "As Grafana's server reaches it.")}
        placeholder="http://foreshock:9099"
      />
      <SecretField
        {...props}
        id="foreshock-config-webhook-token"
        name="webhookToken"
        label={t('webhook-settings.token', 'Token')}
        help={t(
          'webhook-settings.token-help',
          "One of the webhook's auth.tokens with the role responder and on_behalf: true; none where it asks nobody."
        )}
      />
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  form: css({
    display: 'grid',
    gridTemplateColumns: 'repeat(auto-fill, minmax(260px, 1fr))',
    gap: theme.spacing(2),
    alignItems: 'start',
    marginTop: theme.spacing(2),
  }),
});
