import type { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { t } from '@grafana/i18n';

import type { ForeshockOptions, ForeshockSecrets } from '../types';
import { SecretField } from './SecretField';
import { SettingsGrid } from './SettingsGrid';
import { TextSetting } from './TextSetting';

type Props = DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets>;

/** Where the webhook is, and the token with which it is asked. */
export function WebhookSettings(props: Props) {
  return (
    <SettingsGrid>
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
    </SettingsGrid>
  );
}
