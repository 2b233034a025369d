import { initPluginTranslations } from '@grafana/i18n';

import plugin from './plugin.json';

let resolved = 'en-US';

/** Connects the plugin to Grafana's translations. Grafana loads the texts named in plugin.json before it loads the plugin. */
export async function initLanguage(): Promise<void> {
  const { language } = await initPluginTranslations(plugin.id);
  resolved = language ?? resolved;
}

/** The language in which the back end shall describe detectors and parameters: that of Grafana's user interface. */
export function descriptorLanguage(): string {
  return resolved.startsWith('zh') ? 'zh-Hans' : 'en';
}
