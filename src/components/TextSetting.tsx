import type { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { Field, Input } from '@grafana/ui';

import type { ForeshockOptions, ForeshockSecrets } from '../types';

interface Props extends DataSourcePluginOptionsEditorProps<ForeshockOptions, ForeshockSecrets> {
  id: string;
  name: 'webhookURL' | 'lokiUrl' | 'lokiTenant' | 'lokiUser';
  label: string;
  help: string;
  placeholder?: string;
}

/** A setting of plain text; an empty one is not stored. */
export function TextSetting({ id, name, label, help, placeholder, options, onOptionsChange }: Props) {
  const set = (text: string) => {
    const { [name]: _, ...rest } = options.jsonData;
    onOptionsChange({ ...options, jsonData: text === '' ? rest : { ...rest, [name]: text } });
  };
  return (
    <Field noMargin label={label} description={help} htmlFor={id}>
      <Input
        id={id}
        value={options.jsonData[name] ?? ''}
        placeholder={placeholder}
        disabled={options.readOnly}
        onChange={(e) => set(e.currentTarget.value.trim())}
      />
    </Field>
  );
}
