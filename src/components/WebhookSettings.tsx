import { css } from '@emotion/css';
import type { DataSourcePluginOptionsEditorProps, GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import { Field, Input, SecretInput, useStyles2 } from '@grafana/ui';

import type { ForeshockOptions, ForeshockSecrets } from '../types';

type Props = DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets>;

/** Where the webhook is, and the token with which it is asked. */
export function WebhookSettings({ options, onOptionsChange }: Props) {
  const styles = useStyles2(getStyles);
  const { jsonData, secureJsonData, secureJsonFields } = options;

  const setURL = (text: string) => {
    const { webhookURL: _, ...rest } = jsonData;
    onOptionsChange({ ...options, jsonData: text === '' ? rest : { ...rest, webhookURL: text } });
  };

  return (
    <div className={styles.form}>
      <Field
        noMargin
        label={t('webhook-settings.url', 'Webhook URL')}
        description={t('webhook-settings.url-help', "As Grafana's server reaches it.")}
        htmlFor="foreshock-config-webhook-url"
      >
        <Input
          id="foreshock-config-webhook-url"
          value={jsonData.webhookURL ?? ''}
          placeholder="http://foreshock:9099"
          onChange={(e) => setURL(e.currentTarget.value.trim())}
        />
      </Field>
      <Field
        noMargin
        label={t('webhook-settings.token', 'Token')}
        description={t(
          'webhook-settings.token-help',
          "One of the webhook's auth.tokens with the role responder and on_behalf: true; none where it asks nobody."
        )}
        htmlFor="foreshock-config-webhook-token"
      >
        <SecretInput
          id="foreshock-config-webhook-token"
          isConfigured={Boolean(secureJsonFields?.webhookToken)}
          value={secureJsonData?.webhookToken ?? ''}
          onChange={(e) =>
            onOptionsChange({
              ...options,
              secureJsonData: { ...secureJsonData, webhookToken: e.currentTarget.value },
            })
          }
          onReset={() =>
            onOptionsChange({
              ...options,
              secureJsonFields: { ...secureJsonFields, webhookToken: false },
              secureJsonData: { ...secureJsonData, webhookToken: '' },
            })
          }
        />
      </Field>
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
