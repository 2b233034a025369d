import { t } from '@grafana/i18n';

import type { Param, ParamValue, ParamValues, QueryKind } from './types';

/** What came out of reading a form field: a value, nothing (use the default), or one sentence that says what is wanted. */
export type Read = { value: ParamValue } | { empty: true } | { error: string };

const SECONDS: Record<string, number> = {
  y: 31_536_000,
  w: 604_800,
  d: 86_400,
  h: 3_600,
  m: 60,
  s: 1,
  ms: 0.001,
};
const DURATION = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Prometheus' text form of a duration ("90s", "1w2d") in seconds; undefined when it is none. */
export function durationSeconds(text: string): number | undefined {
  const parts = DURATION.exec(text);
  if (text === '0') {
    return 0;
  }
  if (text === '' || !parts) {
    return undefined;
  }
  return Object.values(SECONDS).reduce((sum, unit, i) => sum + unit * Number(parts[i + 1] ?? 0), 0);
}

/** Writes seconds as the shortest duration: 86400 is "1d". */
export function formatSeconds(total: number): string {
  if (total === 0) {
    return '0s';
  }
  let text = '';
  let rest = Math.round(total * 1000);
  for (const [unit, seconds] of Object.entries(SECONDS)) {
    if ((unit === 'y' || unit === 'w') && rest % (seconds * 1000) !== 0) {
      continue; // "90d" reads better than "12w6d"
    }
    const count = Math.floor(rest / (seconds * 1000));
    rest -= count * seconds * 1000;
    text += count > 0 ? `${count}${unit}` : '';
  }
  return text;
}

/** A value as it is shown in a text field. */
export function show(value: ParamValue | null | undefined): string {
  if (value === null || value === undefined) {
    return '';
  }
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** The name of a parameter as a label: min_abs is "Min abs". */
export function label(name: string): string {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a person calls a parameter: the back end's title, else ours for samples, training and policy, else its name. */
export function titleOf(param: Param): string {
  return param.title ?? ownTitle(param.name) ?? label(param.name);
}

/** Titles of what every detector shares. Detectors bring their own parameters, which need nothing here. */
function ownTitle(name: string): string | undefined {
  switch (name) {
    case 'step':
      return t('titles.step', 'Step');
    case 'train':
      return t('titles.train', 'Training window');
    case 'refit':
      return t('titles.refit', 'Fit anew every');
    case 'min_train':
      return t('titles.min-train', 'Shortest history');
    case 'zone':
      return t('titles.zone', 'Time zone');
    case 'direction':
      return t('titles.direction', 'Direction');
    case 'min_abs':
      return t('titles.min-abs', 'Smallest change');
    case 'min_rel':
      return t('titles.min-rel', 'Smallest relative change');
    case 'n':
      return t('titles.n', 'Abnormal samples (n)');
    case 'm':
      return t('titles.m', 'out of the last (m)');
    case 'recovery':
      return t('titles.recovery', 'Quiet below score');
    case 'recover_samples':
      return t('titles.recover-samples', 'Quiet samples to end');
    case 'horizon':
      return t('titles.horizon', 'New level after');
    case 'budget':
      return t('titles.budget', 'False alarm budget');
    default:
      return undefined;
  }
}

/** Reads what a user typed into the field of a number, duration or text. */
export function read(param: Param, text: string): Read {
  const trimmed = text.trim();
  if (trimmed === '') {
    return { empty: true };
  }
  const isNumber = param.type === 'number' || param.type === 'integer';
  const value = isNumber && !Number.isNaN(Number(trimmed)) ? Number(trimmed) : trimmed;
  const error = check(param, value);
  return error ? { error } : { value };
}

/** Says in one sentence what is wrong with a value, or nothing. */
export function check(param: Param, value: ParamValue): string | undefined {
  switch (param.type) {
    case 'number':
    case 'integer':
      return checkNumber(param, value);
    case 'duration':
      return checkDuration(param, value);
    case 'boolean':
      return typeof value === 'boolean' ? undefined : wanted(param, value, 'true, false');
    case 'enum':
      return param.enum?.includes(String(value)) ? undefined : wanted(param, value, (param.enum ?? []).join(', '));
    case 'string':
      return typeof value === 'string' ? undefined : wanted(param, value, t('params.text', 'a text'));
    case 'strings':
      return Array.isArray(value) ? undefined : wanted(param, value, t('params.texts', 'a list of texts'));
  }
}

function checkNumber(param: Param, value: ParamValue): string | undefined {
  const fits =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (param.type === 'number' || Number.isInteger(value)) &&
    value >= (param.min ?? -Infinity) &&
    value <= (param.max ?? Infinity);
  if (fits) {
    return undefined;
  }
  const what = param.type === 'integer' ? t('params.integer', 'a whole number') : t('params.number', 'a number');
  return wanted(param, value, within(what, param, String));
}

function checkDuration(param: Param, value: ParamValue): string | undefined {
  if (typeof value === 'string' && value.includes('$')) {
    return undefined; // a dashboard variable: the back end sees its value
  }
  const seconds = typeof value === 'string' ? durationSeconds(value) : undefined;
  if (seconds !== undefined && seconds >= (param.min ?? 0) && seconds <= (param.max ?? Infinity)) {
    return undefined;
  }
  const what = t('params.duration', 'a duration like 90s, 5m, 1d');
  return wanted(param, value, within(what, param, formatSeconds));
}

/** "a number", "a number from 1 to 10", "a number, at least 1". */
function within(what: string, param: Param, format: (n: number) => string): string {
  const { min, max } = param;
  const values = { what, min: format(min ?? 0), max: format(max ?? 0), interpolation: { escapeValue: false } };
  if (min !== undefined && max !== undefined) {
    return t('params.between', '{{what}} from {{min}} to {{max}}', values);
  }
  if (min !== undefined) {
    return t('params.at-least', '{{what}}, at least {{min}}', values);
  }
  return max !== undefined ? t('params.at-most', '{{what}}, at most {{max}}', values) : what;
}

function wanted(param: Param, value: ParamValue, allowed: string): string {
  return t('params.wrong', '{{name}}: "{{value}}" is not allowed, want {{allowed}}', {
    name: titleOf(param),
    value: show(value),
    allowed,
    interpolation: { escapeValue: false },
  });
}

/** Is this what the back end would use anyway? "7d" and "1w" are the same duration. */
export function isDefault(param: Param, value: ParamValue): boolean {
  if (param.type === 'duration' && typeof value === 'string' && typeof param.default === 'string') {
    const seconds = durationSeconds(value);
    return seconds !== undefined && seconds === durationSeconds(param.default);
  }
  return JSON.stringify(value) === JSON.stringify(param.default);
}

/** Sets one parameter; a default is not written. Gives undefined when nothing is left. */
export function withValue(
  values: ParamValues | undefined,
  param: Param,
  value: ParamValue | undefined
): ParamValues | undefined {
  const { [param.name]: _, ...rest } = values ?? {};
  if (value === undefined || isDefault(param, value)) {
    return Object.keys(rest).length > 0 ? rest : undefined;
  }
  return { ...values, [param.name]: value };
}

/** Keeps the parameters that mean the same to another detector. */
export function carryOver(values: ParamValues | undefined, params: Param[]): ParamValues | undefined {
  const kept = Object.entries(values ?? {}).filter(([name, value]) => {
    const param = params.find((p) => p.name === name);
    return param !== undefined && check(param, value) === undefined && !isDefault(param, value);
  });
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** Names in `values` that no parameter has, such as a typo in a provisioned dashboard. */
export function unknownNames(values: ParamValues | undefined, params: Param[]): string[] {
  return Object.keys(values ?? {}).filter((name) => !params.some((param) => param.name === name));
}

/** The kind whose detectors and dimensions a query of this kind has: another one where its field `of` names it. */
export function shapeOf(kinds: QueryKind[], kind: QueryKind | undefined, of: ParamValue | undefined) {
  const any = kind?.fields?.some((field) => field.name === 'of');
  return (any && kinds.find((k) => k.name === of)) || kind;
}
