import type { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { Field, SecretInput } from '@grafana/ui';

import type { ForeshockOptions, ForeshockSecrets } from '../types';

interface Props extends DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets> {
  id: string;
  name: keyof ForeshockSecrets;
  label: string;
  help: string;
}

/** A secret of the data source: Grafana tells only whether it is set, and it can be replaced, never read. */
export function SecretField({ id, name, label, help, options, onOptionsChange }: Props) {
  const { secureJsonData, secureJsonFields } = options;
  return (
    <Field noMargin label={label} description={help} htmlFor={id}>
      <SecretInput
        id={id}
        disabled={options.readOnly}
        isConfigured={Boolean(secureJsonFields?.[name])}
        value={secureJsonData?.[name] ?? ''}
        onChange={(e) =>
          onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, [name]: e.currentTarget.value } })
        }
        onReset={() =>
          onOptionsChange({
            ...options,
            secureJsonFields: { ...secureJsonFields, [name]: false },
            secureJsonData: { ...secureJsonData, [name]: '' },
          })
        }
      />
    </Field>
  );
}
