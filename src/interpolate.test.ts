import type { ScopedVars } from '@grafana/data';
import type { TemplateSrv } from '@grafana/runtime';

import { fill, interpolate, promqlFormat } from './interpolate';
import type { ForeshockQuery } from './types';

/** Grafana's service in small: $name, ${name}, [[name]], with the format function, macros included as a panel gives them. */
function service(values: Record<string, { value: unknown; multi?: boolean }>): TemplateSrv {
  const replace = (text: string, _: ScopedVars, format?: (value: unknown, variable: object) => string) =>
    text.replace(/\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]/g, (all, a, b, c) => {
      const variable = values[a ?? b ?? c];
      if (!variable) {
        return all;
      }
      return format ? format(variable.value, variable) : String(variable.value);
    });
  return { replace } as unknown as TemplateSrv;
}

const PANEL = {
  __interval: { value: 'PANEL' },
  __interval_ms: { value: 'PANEL' },
  __rate_interval: { value: 'PANEL' },
  __rate_interval_ms: { value: 'PANEL' },
  __range: { value: 'PANEL' },
  __range_s: { value: 'PANEL' },
  __range_ms: { value: 'PANEL' },
};

test('macros of the query stay, in every spelling', () => {
  const srv = service({ ...PANEL, job: { value: 'node' } });
  for (const name of Object.keys(PANEL)) {
    for (const macro of [`$${name}`, `\${${name}}`, `\${${name}:raw}`, `[[${name}]]`]) {
      const text = `rate(x{job="$job"}[${macro}]) + ${macro}`;
      expect(fill(srv, text, {})).toBe(`rate(x{job="node"}[${macro}]) + ${macro}`);
    }
  }
});

test('a name that only begins like a macro is a variable', () => {
  const srv = service({ __intervals: { value: 'mine' } });
  expect(fill(srv, '$__intervals', {})).toBe('mine');
});

test('several values become an alternation, escaped as in Grafana', () => {
  expect(promqlFormat(['a.b', 'c|d'], { multi: true })).toBe('(a\\\\.b|c\\\\|d)');
  expect(promqlFormat(['a.b'], { multi: true })).toBe('a\\\\.b');
  expect(promqlFormat('a.b', { includeAll: true })).toBe('a\\\\.b');
  expect(promqlFormat('a"b\\c', {})).toBe('a\\"b\\\\c');
  expect(promqlFormat('job="a.b"', {})).toBe('job="a.b"');
});

test('every text of a query is filled, and nothing is added', () => {
  const srv = service({ ...PANEL, s: { value: 'cart' }, d: { value: '5m' }, many: { value: ['a', 'b'], multi: true } });
  const query = {
    refId: 'A',
    expr: 'up{service=~"$many"}[$__interval]',
    legend: '{{service}} $s',
    step: '$d',
    params: { text: '$s', list: ['$s', 'x'], number: 1, flag: true },
    policy: { horizon: '$d', n: 3 },
  };
  expect(interpolate(srv, query, {})).toEqual({
    refId: 'A',
    expr: 'up{service=~"(a|b)"}[$__interval]',
    legend: '{{service}} cart',
    step: '5m',
    params: { text: 'cart', list: ['cart', 'x'], number: 1, flag: true },
    policy: { horizon: '5m', n: 3 },
  });
  expect(interpolate(srv, { refId: 'A' }, {})).toEqual({ refId: 'A' });
});

test('a kind without expression has variables filled in all its texts', () => {
  const srv = service({ host: { value: 'web"1' }, log: { value: 'nginx' } });
  const query = {
    refId: 'A',
    kind: 'logs',
    selector: 'instance="$host"',
    log: '$log',
    top: 5,
  } as unknown as ForeshockQuery;
  expect(interpolate(srv, query, {})).toEqual({
    refId: 'A',
    kind: 'logs',
    selector: 'instance="web\\"1"',
    log: 'nginx',
    top: 5,
  });
});
