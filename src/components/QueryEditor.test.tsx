import { CoreApp } from '@grafana/data';
import { setTemplateSrv, type TemplateSrv } from '@grafana/runtime';
import { render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';

import { dataSource, descriptors, storedQueries } from '../test/fixtures';
import type { ForeshockQuery, Param } from '../types';
import { ParamsForm } from './ParamsForm';
import { QueryEditor } from './QueryEditor';

setTemplateSrv({ replace: (text: string) => text, getVariables: () => [] } as unknown as TemplateSrv);

// Monaco needs a real browser (npm run e2e).
jest.mock('./PromQLEditor', () => ({
  PromQLEditor: ({ value, onCommit }: { value: string; onCommit: (value: string, run: boolean) => void }) => (
    <textarea aria-label="expr" defaultValue={value} onBlur={(e) => onCommit(e.currentTarget.value, false)} />
  ),
}));

/** Draws the editor as Grafana does, and gives what it stored last. */
function show(start: ForeshockQuery, more: object = {}, datasource = dataSource()) {
  const changes: ForeshockQuery[] = [];
  const onRunQuery = jest.fn();
  function Host() {
    const [query, setQuery] = useState(start);
    const onChange = (next: ForeshockQuery) => {
      changes.push(next);
      setQuery(next);
    };
    return <QueryEditor query={query} onChange={onChange} onRunQuery={onRunQuery} datasource={datasource} {...more} />;
  }
  render(<Host />);
  return { changes, onRunQuery, last: () => changes.at(-1) };
}

const field = (id: string) => document.getElementById(id) as HTMLInputElement;
const loaded = () => screen.findByText('Detector parameters');

describe.each(Object.entries(storedQueries()))('the stored query %s', (_, query) => {
  it('is not changed by being shown', async () => {
    const { changes } = show(query);
    await loaded();
    expect(changes).toEqual([]);
  });

  it('comes back as it was when an edit is undone', async () => {
    const user = userEvent.setup();
    const { last } = show(query);
    await loaded();
    const legend = field(`foreshock-${query.refId}-legend`);
    await user.clear(legend);
    await user.type(legend, 'other{Enter}');
    expect(last()).toEqual({ ...query, legend: 'other' });
    await user.clear(legend);
    if (query.legend) {
      await user.type(legend, query.legend.replaceAll('{', '{{'));
    }
    await user.tab();
    expect(last()).toEqual(query);
    expect(JSON.stringify(Object.entries(last()!).sort())).toBe(JSON.stringify(Object.entries(query).sort()));
  });
});

it('draws a field for every parameter of the chosen detector, and for all of samples and policy', async () => {
  const user = userEvent.setup();
  const { detectors, policy, walk } = descriptors();
  for (const detector of detectors) {
    const view = show({ refId: detector.name, expr: 'up', detector: detector.name });
    await screen.findAllByText('Detector parameters');
    for (const section of ['walk', 'policy']) {
      await user.click(screen.getByTestId(`foreshock-${detector.name}-${section}-toggle`));
    }
    const ids = [
      ...detector.params.map((p) => `params-${p.name}`),
      ...walk.map((p) => `walk-${p.name}`),
      ...policy.map((p) => `policy-${p.name}`),
    ];
    const missing = ids.filter(
      (id) =>
        !document.querySelector(`[id^="foreshock-${detector.name}-${id}"], [for="foreshock-${detector.name}-${id}"]`)
    );
    expect(missing).toEqual([]);
    expect(view.changes).toEqual([]);
  }
});

it('chooses the number per series in alert rules', async () => {
  const { last } = show({ refId: 'A', expr: 'up' }, { app: CoreApp.UnifiedAlerting });
  await loaded();
  expect(last()).toEqual({ refId: 'A', expr: 'up', output: 'latest' });
  expect(screen.getByText('Let the rule fire when it is above or equal to 1.')).toBeInTheDocument();
});

it('takes back a parameter in alert rules, where Grafana merges a change into what was', async () => {
  const user = userEvent.setup();
  let stored: object = {};
  const datasource = dataSource();
  function Host() {
    const [query, setQuery] = useState<ForeshockQuery>({
      refId: 'A',
      expr: 'up',
      output: 'latest',
      params: { budget: 2 },
    });
    stored = JSON.parse(JSON.stringify(query));
    const onChange = (next: ForeshockQuery) => setQuery((last) => ({ ...last, ...next }));
    const app = CoreApp.UnifiedAlerting;
    return <QueryEditor query={query} onChange={onChange} onRunQuery={jest.fn()} datasource={datasource} app={app} />;
  }
  render(<Host />);
  await loaded();
  await user.click(screen.getByTestId('foreshock-A-params-budget-reset'));
  expect(stored).toEqual({ refId: 'A', expr: 'up', output: 'latest' });
});

it('drops the output with the kind of question that has it, and shows the first of the new one', async () => {
  const user = userEvent.setup();
  const { last } = show({ refId: 'A', expr: 'up', output: 'latest' });
  await loaded();
  await user.click(screen.getByRole('radio', { name: 'Self-test' }));
  expect(last()).toMatchObject({ refId: 'A', expr: 'up', kind: 'selftest' });
  expect(last()).not.toHaveProperty('output');
  expect(screen.getByRole('radio', { name: 'Verdicts' })).toBeChecked();
});

it('shows only the fields of a kind without expression and detector, and stores nothing else', async () => {
  const user = userEvent.setup();
  const { last } = show({ refId: 'A', expr: 'up', detector: 'mad', params: { budget: 2 }, legend: 'x' });
  await loaded();
  await user.click(screen.getByRole('radio', { name: 'Logs' }));
  expect(last()).toEqual({ refId: 'A', kind: 'logs' });
  expect(screen.queryByText('Detector parameters')).not.toBeInTheDocument();
  expect(screen.queryByLabelText('expr')).not.toBeInTheDocument();
  await user.type(field('foreshock-A-fields-log'), 'nginx{Enter}');
  expect(last()).toEqual({ refId: 'A', kind: 'logs', log: 'nginx' });
  await user.click(screen.getByRole('radio', { name: 'Anomaly detection' }));
  expect(last()).toEqual({ refId: 'A', kind: 'detect' });
});

it('names an unknown detector and the known ones', async () => {
  show({ refId: 'A', expr: 'up', detector: 'nope' });
  expect(await screen.findByText(/Unknown detector "nope": want one of .*mad/)).toBeInTheDocument();
});

it('shows the sentence of the back end when detectors cannot be loaded, and asks again on demand', async () => {
  const user = userEvent.setup();
  let fails = true;
  const datasource = dataSource(() => {
    if (fails) {
      throw { status: 502, data: { error: 'Prometheus cannot be reached' } };
    }
    return descriptors();
  });
  show({ refId: 'A', expr: 'up' }, {}, datasource);
  expect(await screen.findByText('Prometheus cannot be reached')).toBeInTheDocument();
  fails = false;
  await user.click(screen.getByRole('button', { name: 'Retry' }));
  await loaded();
});

it('runs the query when the PromQL was changed and left', async () => {
  const user = userEvent.setup();
  const { last, onRunQuery } = show({ refId: 'A', expr: 'up' });
  await user.type(screen.getByLabelText('expr'), ' == 0');
  expect(onRunQuery).not.toHaveBeenCalled();
  await user.tab();
  expect(last()).toEqual({ refId: 'A', expr: 'up == 0' });
  expect(onRunQuery).toHaveBeenCalledTimes(1);
});

describe('a form of every type of parameter', () => {
  const params: Param[] = [
    { name: 'number', type: 'number', help: 'h', default: 1, max: 10, unit: 'ms' },
    { name: 'integer', type: 'integer', help: 'h', default: 1 },
    { name: 'boolean', type: 'boolean', help: 'h', default: false },
    { name: 'string', type: 'string', help: 'h', default: '' },
    { name: 'duration', type: 'duration', help: 'h', default: '5m' },
    { name: 'enum', type: 'enum', help: 'h', default: 'a', enum: ['a', 'b'] },
    { name: 'strings', type: 'strings', help: 'h', default: [] },
  ];

  it('writes each in its own type', async () => {
    const user = userEvent.setup();
    let values: object | undefined;
    function Host() {
      const [now, setNow] = useState<Record<string, never>>();
      values = now;
      return <ParamsForm id="f" params={params} values={now} onChange={(next) => setNow(next as never)} />;
    }
    render(<Host />);
    await user.type(field('f-number'), '2.5{Enter}');
    await user.type(field('f-integer'), '7{Enter}');
    await user.click(field('f-boolean'));
    await user.type(field('f-string'), 'text{Enter}');
    await user.type(field('f-duration'), '1h{Enter}');
    await user.click(screen.getByRole('radio', { name: 'b' }));
    await user.type(field('f-strings'), 'one{Enter}');
    expect(values).toEqual({
      number: 2.5,
      integer: 7,
      boolean: true,
      string: 'text',
      duration: '1h',
      enum: 'b',
      strings: ['one'],
    });

    await user.click(screen.getByTestId('f-number-reset'));
    await user.click(field('f-boolean'));
    expect(values).toEqual({ integer: 7, string: 'text', duration: '1h', enum: 'b', strings: ['one'] });
  });

  it('lets a typo of a provisioned query be seen and removed', async () => {
    const user = userEvent.setup();
    const onChange = jest.fn();
    render(<ParamsForm id="f" params={params} values={{ nmber: 1 }} onChange={onChange} />);
    const alert = screen.getByRole('alert');
    expect(alert).toHaveTextContent('Unknown parameter "nmber"');
    await user.click(within(alert).getByRole('button', { name: 'Remove' }));
    expect(onChange).toHaveBeenCalledWith(undefined);
  });

  it('shows what is wrong with a stored value', () => {
    render(<ParamsForm id="f" params={params} values={{ number: 11 }} onChange={jest.fn()} />);
    expect(screen.getByText('Number: "11" is not allowed, want a number, at most 10')).toBeInTheDocument();
  });
});
