import { CoreApp, dateTime, type TimeRange } from '@grafana/data';
import { setTemplateSrv, type TemplateSrv } from '@grafana/runtime';

import { dataSource, descriptors } from './test/fixtures';
import { parseVariableQuery } from './variables';

setTemplateSrv({ replace: (text: string) => text.replace('$label', 'job') } as unknown as TemplateSrv);

const range = {
  from: dateTime(1_700_000_001_000),
  to: dateTime(1_700_003_599_000),
} as unknown as TimeRange;

test('a new query suits the place it is made for', () => {
  const datasource = dataSource();
  expect(datasource.getDefaultQuery(CoreApp.Dashboard)).toEqual({
    kind: 'detect',
    expr: '',
    detector: 'auto',
    output: 'series',
  });
  expect(datasource.getDefaultQuery(CoreApp.UnifiedAlerting).output).toBe('latest');
  expect(datasource.annotations.getDefaultQuery?.().output).toBe('annotations');
});

test('empty and hidden queries are not sent', () => {
  const datasource = dataSource();
  expect(datasource.filterQuery({ refId: 'A', expr: 'up' })).toBe(true);
  expect(datasource.filterQuery({ refId: 'A', expr: '  ' })).toBe(false);
  expect(datasource.filterQuery({ refId: 'A' })).toBe(false);
  expect(datasource.filterQuery({ refId: 'A', expr: 'up', hide: true })).toBe(false);
});

test('an annotation always asks for annotations', () => {
  const { annotations } = dataSource();
  const annotation = {
    name: 'x',
    enable: true,
    iconColor: 'red',
    target: { refId: 'Q', expr: 'up', output: 'series' },
  };
  expect(annotations.prepareQuery?.(annotation)).toEqual({ refId: 'Anno', expr: 'up', output: 'annotations' });
  expect(annotations.prepareQuery?.({ ...annotation, target: { refId: 'Q' } })).toBeUndefined();
});

test('descriptors are asked once, but again after a failure', async () => {
  let failures = 1;
  const datasource = dataSource(() => {
    if (failures-- > 0) {
      throw new Error('unreachable');
    }
    return descriptors();
  });
  await expect(datasource.descriptors('en')).rejects.toThrow('unreachable');
  await expect(datasource.descriptors('en')).resolves.toEqual(descriptors());
  await datasource.descriptors('en');
  expect(datasource.getResource).toHaveBeenCalledTimes(2);
  await datasource.descriptors('zh-Hans');
  expect(datasource.getResource).toHaveBeenLastCalledWith(
    'descriptors',
    { lang: 'zh-Hans' },
    { showErrorAlert: false }
  );
});

test('variables are answered from the resources', async () => {
  const datasource = dataSource((path) => (path === 'metrics' ? [{ name: 'up' }] : ['b', 'a']));
  const ask = (query: unknown) => datasource.metricFindQuery(query, { range });
  expect(await ask('label_names()')).toEqual([{ text: 'b' }, { text: 'a' }]);
  expect(datasource.getResource).toHaveBeenLastCalledWith(
    'labels',
    { start: 1_699_999_800, end: 1_700_003_700 },
    expect.anything()
  );
  await ask({ query: ' label_values( $label ) ' });
  expect(datasource.getResource).toHaveBeenLastCalledWith('labels/job/values', expect.anything(), expect.anything());
  expect(await ask('metrics(u)')).toEqual([{ text: 'up' }]);
  await ask('label_values(up{a="b, c)"}, $label)');
  expect(datasource.getResource).toHaveBeenLastCalledWith(
    'labels/job/values',
    { start: 1_699_999_800, end: 1_700_003_700, match: 'up{a="b, c)"}' },
    expect.anything()
  );
  await expect(ask('query_result(up)')).rejects.toThrow(
    'Variable query "query_result(up)" is not known: want label_names(), label_values(<label>), label_values(<selector>, <label>), metrics(<prefix>)'
  );
});

test('variable queries', () => {
  expect(parseVariableQuery('metrics()')).toEqual({ kind: 'metrics', prefix: '' });
  expect(parseVariableQuery('label_values(job)')).toEqual({ kind: 'label_values', label: 'job' });
  expect(parseVariableQuery('label_values({__name__=~"a|b"},job)')).toEqual({
    kind: 'label_values',
    label: 'job',
    selector: '{__name__=~"a|b"}',
  });
  expect(() => parseVariableQuery('label_values()')).toThrow('is not known');
  expect(() => parseVariableQuery('label_names(x)')).toThrow('is not known');
  expect(() => parseVariableQuery('')).toThrow('is not known');
});

test('PromQL is kept when the data source is switched', async () => {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- its successor carries label matchers only, not PromQL
  const [query] = await dataSource().importQueries([{ refId: 'B', expr: 'up' } as never]);
  expect(query).toEqual({ refId: 'B', kind: 'detect', expr: 'up', detector: 'auto', output: 'series' });
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- as above
  const legends = await dataSource().importQueries([
    { refId: 'A', expr: 'up', legendFormat: '{{job}}', editorMode: 'code' } as never,
    { refId: 'B', legendFormat: '__auto' } as never,
  ]);
  const all = { kind: 'detect', detector: 'auto', output: 'series' };
  expect(legends).toEqual([
    { ...all, refId: 'A', expr: 'up', legend: '{{job}}' },
    { ...all, refId: 'B', expr: '' },
  ]);
});
