import { css } from '@emotion/css';
import type { DataSourcePluginOptionsEditorProps, GrafanaTheme2 } from '@grafana/data';
import { Trans, t } from '@grafana/i18n';
import {
  AdvancedHttpSettings,
  Auth,
  ConfigSection,
  ConnectionSettings,
  convertLegacyAuthProps,
} from '@grafana/plugin-ui';
import { config } from '@grafana/runtime';
import { SecureSocksProxySettings, useStyles2 } from '@grafana/ui';

import type { ForeshockOptions, ForeshockSecrets } from '../types';
import { DetectionDefaults } from './DetectionDefaults';
import { LokiSettings } from './LokiSettings';
import { WebhookSettings } from './WebhookSettings';

type Props = DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets>;

/** The settings of the data source: how Prometheus is reached, and what queries use when they do not say otherwise. */
export function ConfigEditor({ options, onOptionsChange }: Props) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.form}>
      <p className={styles.intro}>
        <Trans i18nKey="config-editor.intro">
          Foreshock reads metrics from Prometheus, or from a server with the same API, and judges them. Name that server
          here.
        </Trans>
      </p>
      <ConnectionSettings
        config={options}
        onChange={onOptionsChange}
        urlLabel={t('config-editor.url', 'Prometheus URL')}
        urlPlaceholder="http://localhost:9090"
        urlTooltip={t('config-editor.url-help', "As Grafana's server reaches it, without /api/v1.")}
      />
      <Auth {...authProps(options, onOptionsChange)} />
      <ConfigSection
        title={t('config-editor.detection', 'Detection defaults')}
        description={t('config-editor.detection-help', 'Used by every query that does not say otherwise.')}
      >
        <DetectionDefaults options={options} onOptionsChange={onOptionsChange} />
      </ConfigSection>
      <ConfigSection
        title={t('config-editor.webhook', 'Webhook')}
        description={t('config-editor.webhook-help', 'For questions about cases, and for commands on them.')}
      >
        <WebhookSettings options={options} onOptionsChange={onOptionsChange} />
      </ConfigSection>
      <ConfigSection
        title={t('config-editor.loki', 'Loki')}
        description={t('config-editor.loki-help', 'For log questions with LogQL. Others need only Prometheus.')}
      >
        <LokiSettings options={options} onOptionsChange={onOptionsChange} />
      </ConfigSection>
      <ConfigSection
        title={t('config-editor.advanced', 'More settings')}
        isCollapsible
        isInitiallyOpen={config.secureSocksDSProxyEnabled}
      >
        <AdvancedHttpSettings config={options} onChange={onOptionsChange} />
        {config.secureSocksDSProxyEnabled && (
          <SecureSocksProxySettings options={options} onOptionsChange={onOptionsChange} />
        )}
      </ConfigSection>
    </div>
  );
}

/** What Grafana's forms want to know about authentication. They warn about boxes that are neither ticked nor empty, so that those are made empty. */
function authProps(options: Props['options'], onChange: Props['onOptionsChange']) {
  const props = convertLegacyAuthProps({ config: options, onChange });
  for (const part of [props.TLS?.TLSClientAuth, props.TLS?.skipTLSVerification]) {
    if (part) {
      part.enabled = Boolean(part.enabled);
    }
  }
  return props;
}

const getStyles = (theme: GrafanaTheme2) => ({
  form: css({ display: 'flex', flexDirection: 'column', gap: theme.spacing(4), maxWidth: 900 }),
  intro: css({ margin: 0, color: theme.colors.text.secondary }),
});
