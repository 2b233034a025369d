import { complete, type Names } from './complete';
import { situation } from './situation';

describe('where the cursor stands', () => {
  test.each<[string, object]>([
    ['', { kind: 'expression', from: 0 }],
    ['ra', { kind: 'expression', from: 0 }],
    ['sum(ra', { kind: 'expression', from: 4 }],
    ['node:cpu:ra', { kind: 'expression', from: 0 }],
    ['up + $cl', { kind: 'expression', from: 5 }],
    ['up{', { kind: 'label-name', from: 3 }],
    ['up{jo', { kind: 'label-name', from: 3 }],
    ['up{job="a", ins', { kind: 'label-name', from: 12 }],
    ['up{job', { kind: 'label-name', from: 3 }],
    ['up{job=', { kind: 'none' }],
    ['up{job="', { kind: 'label-value', from: 8, label: 'job' }],
    ['up{job=~"a|b', { kind: 'label-value', from: 9, label: 'job' }],
    ['up{job!="a\\"b', { kind: 'label-value', from: 9, label: 'job' }],
    ["up{a='x', job='", { kind: 'label-value', from: 15, label: 'job' }],
    ['label_replace(up, "', { kind: 'none' }],
    ['sum by (', { kind: 'label-name', from: 8 }],
    ['sum without(a, in', { kind: 'label-name', from: 15 }],
    ['a / on(', { kind: 'label-name', from: 7 }],
    ['baby(', { kind: 'expression', from: 5 }],
    ['rate(up[', { kind: 'range', from: 8 }],
    ['rate(up[$__ra', { kind: 'range', from: 8 }],
    ['rate(up[5m]', { kind: 'expression', from: 11 }],
    ['up # a {', { kind: 'none' }],
    ['up # a {\nsu', { kind: 'expression', from: 9 }],
    ['up > 5', { kind: 'none' }],
  ])('%s', (text, want) => {
    expect(situation(text)).toEqual(want);
  });
});

const names: Names = {
  metrics: async (prefix) =>
    [{ name: 'http_requests_total', type: 'counter', help: 'Requests.' }].filter((m) => m.name.startsWith(prefix)),
  labelNames: async () => ['job'],
  labelValues: async (label) => [`${label} "quoted" \\ value`],
  variables: () => ['cluster'],
};

describe('proposals', () => {
  const texts = async (before: string, from: Names = names) =>
    (await complete(before, from)).proposals.map((p) => p.text);

  it('are metrics first, then what PromQL has', async () => {
    const { proposals } = await complete('', names);
    expect(proposals[0]).toEqual({ text: 'http_requests_total', kind: 'metric', detail: 'counter', help: 'Requests.' });
    expect(proposals.map((p) => p.text)).toEqual(expect.arrayContaining(['sum', 'rate', 'by', '$cluster']));
  });

  it('fit into a quoted text', async () => {
    expect(await texts('up{job="')).toEqual(['job \\"quoted\\" \\\\ value', '$cluster']);
  });

  it('name the macros of the query in a range', async () => {
    expect((await texts('rate(up['))[0]).toBe('$__rate_interval');
  });

  it('go without names that cannot be had', async () => {
    const fails = async () => Promise.reject(new Error('unreachable'));
    const broken: Names = { ...names, metrics: fails, labelNames: fails, labelValues: fails };
    expect(await texts('', broken)).toContain('rate');
    expect(await texts('up{', broken)).toEqual([]);
  });
});
