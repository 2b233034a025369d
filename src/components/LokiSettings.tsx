import type { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { t } from '@grafana/i18n';

import type { ForeshockOptions, ForeshockSecrets } from '../types';
import { SecretField } from './SecretField';
import { SettingsGrid } from './SettingsGrid';
import { TextSetting } from './TextSetting';

type Props = DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets>;

/** Where Loki is, for log questions with LogQL. */
export function LokiSettings(props: Props) {
  return (
    <SettingsGrid>
      <TextSetting
        {...props}
        id="foreshock-config-loki-url"
        name="lokiUrl"
        label={t('loki-settings.url', 'Loki URL')}
        help={t('loki-settings.url-help', "As Grafana's server reaches it.")}
        placeholder="http://loki:3100"
      />
      <TextSetting
        {...props}
        id="foreshock-config-loki-tenant"
        name="lokiTenant"
        label={t('loki-settings.tenant', 'Tenant')}
        help={t('loki-settings.tenant-help', 'Sent as X-Scope-OrgID. Empty for a Loki with one tenant.')}
      />
      <TextSetting
        {...props}
        id="foreshock-config-loki-user"
        name="lokiUser"
        label={t('loki-settings.user', 'User')}
        help={t('loki-settings.user-help', 'Of basic authentication. Empty where Loki asks nobody.')}
      />
      <SecretField
        {...props}
        id="foreshock-config-loki-password"
        name="lokiPassword"
        label={t('loki-settings.password', 'Password')}
        help={t('loki-settings.password-help', 'Or the token of a service account, as the provider says.')}
      />
    </SettingsGrid>
  );
}
