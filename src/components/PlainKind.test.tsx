import { setTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { render, screen, waitFor } from '@testing-library/react';
import { useState } from 'react';

import { dataSource, descriptors } from '../test/fixtures';
import type { ForeshockQuery } from '../types';
import { QueryEditor } from './QueryEditor';

setTemplateSrv({ replace: (text: string) => text, getVariables: () => [] } as unknown as TemplateSrv);

// Monaco needs a real browser (npm run e2e).
jest.mock('./PromQLEditor', () => ({
  PromQLEditor: ({ value }: { value: string }) => <textarea aria-label="expr" defaultValue={value} />,
}));

function show(start: ForeshockQuery) {
  const changes: ForeshockQuery[] = [];
  function Host() {
    const [query, setQuery] = useState(start);
    const onChange = (next: ForeshockQuery) => {
      changes.push(next);
      setQuery(next);
    };
    return <QueryEditor query={query} onChange={onChange} onRunQuery={jest.fn()} datasource={dataSource()} />;
  }
  render(<Host />);
  return { changes };
}

const fields = () => descriptors().kinds.find((kind) => kind.name === 'cases')!.fields!;

it('draws the fields of a question without a metric, and nothing about judging', async () => {
  const { changes } = show({ refId: 'A', kind: 'cases', output: 'counts' });
  for (const field of fields()) {
    const id = `foreshock-A-fields-${field.name}`;
    await waitFor(() => expect(document.querySelector(`[id^="${id}"], [for="${id}"]`)).not.toBeNull());
  }
  expect(screen.queryByLabelText('expr')).toBeNull();
  expect(screen.queryByText('Detector parameters')).toBeNull();
  expect(screen.queryByText('Legend')).toBeNull();
  expect(screen.queryByText('What counts as an anomaly')).toBeNull();
  expect(changes).toEqual([]);
});

it('is sent without an expression, and a question about a metric is not', () => {
  const source = dataSource();
  expect(source.filterQuery({ refId: 'A', kind: 'cases' })).toBe(true);
  expect(source.filterQuery({ refId: 'A', kind: 'cases', hide: true })).toBe(false);
  expect(source.filterQuery({ refId: 'A', kind: 'detect', expr: '' })).toBe(false);
  expect(source.filterQuery({ refId: 'A' })).toBe(false);
});
