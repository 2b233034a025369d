import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { t } from '@grafana/i18n';
import {
  Field,
  Icon,
  IconButton,
  Input,
  Label,
  RadioButtonGroup,
  Switch,
  TagsInput,
  Tooltip,
  useStyles2,
} from '@grafana/ui';
import { useState, type KeyboardEvent, type ReactElement } from 'react';

import { check, isDefault, read, show, titleOf } from '../params';
import type { Param, ParamValue } from '../types';
import { Pick } from './Pick';

interface Props {
  id: string;
  param: Param;
  /** What the query says; undefined means the default. */
  value: ParamValue | undefined;
  /** Undefined means: back to the default. Never called with a value that is not allowed. */
  onChange: (value: ParamValue | undefined) => void;
}

/** More letters than this do not fit beside each other; the room around each option takes as much as four and a half. */
const RADIO_LETTERS = 29;
const RADIO_ROOM = 4.5;

/** One parameter: label with help, a control that fits its type, unit, the reason when a value is not allowed, and a way back to the default. */
export function ParamField({ id, param, value, onChange }: Props) {
  const styles = useStyles2(getStyles);
  const [draft, setDraft] = useState<string>();
  const [error, setError] = useState<string>();
  const problem = error ?? (value === undefined ? undefined : check(param, value));
  const changed = draft !== undefined || (value !== undefined && !isDefault(param, value));

  const reset = () => {
    setDraft(undefined);
    setError(undefined);
    onChange(undefined);
  };

  const edit = (text: string) => {
    setDraft(text);
    if (error) {
      const now = read(param, text);
      setError('error' in now ? now.error : undefined);
    }
  };

  const commit = () => {
    if (draft === undefined) {
      return;
    }
    const now = read(param, draft);
    if ('error' in now) {
      setError(now.error);
      return;
    }
    setDraft(undefined);
    setError(undefined);
    const next = 'empty' in now ? undefined : now.value;
    if (next !== value) {
      onChange(next);
    }
  };

  return (
    <Field
      noMargin
      className={styles.field}
      label={<Head id={id} param={param} changed={changed} onReset={reset} />}
      invalid={problem !== undefined}
      error={problem}
      htmlFor={id}
    >
      <Control
        id={id}
        param={param}
        value={value}
        text={draft ?? show(value)}
        invalid={problem !== undefined}
        onText={edit}
        onCommit={commit}
        onChange={onChange}
      />
    </Field>
  );
}

function Head({ id, param, changed, onReset }: { id: string; param: Param; changed: boolean; onReset: () => void }) {
  const styles = useStyles2(getStyles);
  const text = t('param-field.reset', 'Back to the default: {{value}}', {
    value: show(param.default) || t('param-field.none', 'none'),
    interpolation: { escapeValue: false },
  });
  return (
    <div className={styles.head}>
      <Label htmlFor={id} className={styles.label}>
        {titleOf(param)}
      </Label>
      {param.help && (
        <Tooltip content={<Help param={param} />}>
          <Icon name="info-circle" size="sm" className={styles.help} tabIndex={0} aria-label={param.help} />
        </Tooltip>
      )}
      {changed && (
        <IconButton
          name="history-alt"
          size="sm"
          className={styles.reset}
          tooltip={text}
          aria-label={text}
          data-testid={`${id}-reset`}
          onClick={onReset}
        />
      )}
    </div>
  );
}

/** The help, and the name that error messages, provisioning and the command line use. */
function Help({ param }: { param: Param }) {
  return (
    <>
      {param.help} <code>{param.name}</code>
    </>
  );
}

interface ControlProps extends Props {
  text: string;
  invalid: boolean;
  onText: (text: string) => void;
  onCommit: () => void;
}

function Control({ id, param, value, text, invalid, onText, onCommit, onChange }: ControlProps): ReactElement {
  const styles = useStyles2(getStyles);
  switch (param.type) {
    case 'boolean':
      return (
        <div className={styles.toggle}>
          <Switch
            id={id}
            value={(value ?? param.default) === true}
            onChange={(e) => onChange(e.currentTarget.checked)}
          />
        </div>
      );

    case 'enum':
      return <Choice id={id} param={param} value={value} onChange={onChange} />;
    case 'strings':
      return (
        <TagsInput
          id={id}
          tags={Array.isArray(value) ? value : Array.isArray(param.default) ? param.default : []}
          placeholder={t('param-field.add', 'Type and press Enter')}
          invalid={invalid}
          onChange={onChange}
        />
      );
    case 'number':
    case 'integer':
    case 'duration':
    case 'string':
      return (
        <Input
          id={id}
          value={text}
          placeholder={show(param.default)}
          suffix={param.unit}
          invalid={invalid}
          autoComplete="off"
          spellCheck={false}
          onChange={(e) => onText(e.currentTarget.value)}
          onBlur={onCommit}
          onKeyDown={(e: KeyboardEvent) => e.key === 'Enter' && onCommit()}
        />
      );
  }
}

function Choice({ id, param, value, onChange }: Props) {
  const names = param.enum ?? [];
  const current = show(value ?? param.default);
  const options = names.map((name) => ({ label: name, value: name }));
  if (names.join('').length + RADIO_ROOM * names.length <= RADIO_LETTERS) {
    return <RadioButtonGroup id={id} options={options} value={current} onChange={(name) => onChange(name)} />;
  }
  return <Pick id={id} options={options} value={current} onChange={onChange} />;
}

const getStyles = (theme: GrafanaTheme2) => ({
  field: css({ minWidth: 0 }),
  head: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(0.5),
    minHeight: theme.spacing(2.5),
    marginBottom: theme.spacing(0.5),
  }),
  label: css({ marginBottom: 0, '& > div': { paddingBottom: 0 } }),
  help: css({ color: theme.colors.text.secondary, cursor: 'help', flexShrink: 0 }),
  toggle: css({ height: theme.spacing(4), display: 'flex', alignItems: 'center' }),
  reset: css({ marginLeft: 'auto' }),
});
