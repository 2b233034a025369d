import type { ScopedVars } from '@grafana/data';
import type { TemplateSrv } from '@grafana/runtime';

import { PLAIN_KINDS, type ForeshockQuery, type ParamValues } from './types';

/**
 * Macros that belong to the query, not to the panel: the back end expands them from the query's own step and training window.
 * Grafana would fill them from the panel's width and range, and the verdict would change with the zoom.
 */
const MACRO =
  /\$__(?:(?:rate_)?interval(?:_ms)?|range(?:_m?s)?)\b|\$\{__(?:(?:rate_)?interval(?:_ms)?|range(?:_m?s)?)(?::\w+)?\}|\[\[__(?:(?:rate_)?interval(?:_ms)?|range(?:_m?s)?)(?::\w+)?\]\]/g;

/** Stands for a macro while Grafana's variables are filled in; a private-use character cannot be part of a query. */
const MARK = '\uE000';

interface Variable {
  multi?: boolean;
  includeAll?: boolean;
}

/** Escapes a value of a variable for use inside a quoted PromQL string, as Grafana's Prometheus data source does. */
function escapeText(value: string): string {
  if (/^\w+(=|!=|=~|!~)".*"$/.test(value)) {
    return value; // a whole matcher, as ad hoc variables give it
  }
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"');
}

/** Escapes a value for use inside a regular expression inside a quoted PromQL string. */
function escapeRegex(value: string): string {
  return value
    .replace(/\\/g, '\\\\\\\\')
    .replace(/"/g, '\\\\\\"')
    .replace(/[$^*{}[\]'+?.()|]/g, '\\\\$&');
}

/** Writes a variable's value into PromQL: several values become a regular expression alternation. */
export function promqlFormat(value: unknown, variable: Variable): string {
  if (Array.isArray(value)) {
    const parts = value.map((part) => escapeRegex(String(part)));
    return parts.length === 1 ? parts[0]! : `(${parts.join('|')})`;
  }
  const text = String(value ?? '');
  return variable.multi || variable.includeAll ? escapeRegex(text) : escapeText(text);
}

type Format = Parameters<TemplateSrv['replace']>[2];

/** Fills variables in a text and leaves the macros of the back end as they are. */
export function fill(srv: TemplateSrv, text: string, scoped: ScopedVars, format?: Format): string {
  const macros: string[] = [];
  const marked = text.replace(MACRO, (macro) => `${MARK}${macros.push(macro) - 1}${MARK}`);
  const filled = srv.replace(marked, scoped, format);
  return filled.replace(new RegExp(`${MARK}(\\d+)${MARK}`, 'g'), (_, i) => macros[Number(i)] ?? '');
}

/** Fills variables in every text of a query. Fields that the query does not have are not added. */
export function interpolate(srv: TemplateSrv, query: ForeshockQuery, scoped: ScopedVars): ForeshockQuery {
  const result: ForeshockQuery = { ...query };
  for (const field of ['expr', 'clean'] as const) {
    const expr = query[field];
    if (expr !== undefined) {
      result[field] = fill(srv, expr, scoped, promqlFormat);
    }
  }
  if (query.dimensions) {
    result.dimensions = Object.fromEntries(
      Object.entries(query.dimensions).map(([name, expr]) => [name, fill(srv, expr, scoped, promqlFormat)])
    );
  }
  if (query.group_by) {
    result.group_by = query.group_by.map((label) => fill(srv, label, scoped));
  }
  for (const field of ['legend', 'step', 'train', 'refit', 'min_train', 'zone'] as const) {
    const text = query[field];
    if (typeof text === 'string') {
      result[field] = fill(srv, text, scoped);
    }
  }
  if (PLAIN_KINDS.includes(query.kind ?? '')) {
    const { refId, datasource, kind, ...own } = query;
    const fields = fillValues(srv, own as unknown as ParamValues, scoped, promqlFormat);
    return { ...(fields as unknown as ForeshockQuery), refId, kind, ...(datasource && { datasource }) };
  }
  for (const field of ['params', 'policy'] as const) {
    const values = query[field];
    if (values) {
      result[field] = fillValues(srv, values, scoped);
    }
  }
  return result;
}

function fillValues(srv: TemplateSrv, values: ParamValues, scoped: ScopedVars, format?: Format): ParamValues {
  const result: ParamValues = {};
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'string') {
      result[name] = fill(srv, value, scoped, format);
    } else if (Array.isArray(value)) {
      result[name] = value.map((part) => fill(srv, part, scoped, format));
    } else {
      result[name] = value;
    }
  }
  return result;
}
