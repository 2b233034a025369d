// The query editor of the shipped bundle, used as a person uses it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { descriptors, root } from './server.mjs';

const QUERY = { refId: 'A', kind: 'detect', expr: 'up', detector: 'seasonal', output: 'series' };
const english = await descriptors('en');
const chinese = await descriptors('zh-Hans');

const detector = (name, from = english) => from.detectors.find((d) => d.name === name);
const output = (name) => english.kinds[0].outputs.find((o) => o.name === name);

const queries = path.join(root, 'pkg/plugin/testdata/queries');

/** Each test gets `open(show, prepare)`, which opens a page and has its console checked at the end. */
export const queryTests = {
  'types a query with completion, and runs it with Shift+Enter': async (open) => {
    const editor = await open({ query: { refId: 'A' } });
    const { keyboard } = editor.page;
    const suggestions = editor.page.locator('.suggest-widget.visible');
    const proposes = (text) => suggestions.locator('.monaco-list-row', { hasText: text }).first().waitFor();

    await editor.page.locator('.monaco-editor').first().click();
    await keyboard.type('rat');
    await proposes('rate');
    await keyboard.press('Enter');
    await keyboard.type('http_re');
    await proposes('http_requests_total');
    await keyboard.press('Enter');
    await keyboard.type('{jo');
    await proposes('job');
    await keyboard.press('Enter');
    await keyboard.type('="');
    await proposes('prometheus');
    await keyboard.type('no');
    await keyboard.press('Enter');
    await keyboard.press('End');
    await keyboard.press('ArrowLeft');
    await keyboard.type('[');
    await proposes('$__rate_interval');
    await keyboard.press('Enter');
    assert.equal(await editor.changes(), 0, 'nothing is stored while typing');
    await keyboard.press('Shift+Enter');
    await editor.holds({ refId: 'A', expr: 'rate(http_requests_total{job="node"}[$__rate_interval])' });
    assert.equal(await editor.runs(), 1);
  },

  'runs the query when the field is left, and only when it changed': async (open) => {
    const editor = await open({ query: QUERY });
    await editor.page.locator('.monaco-editor').first().click();
    await editor.page.locator('[id="foreshock-A-legend"]').click();
    assert.equal(await editor.runs(), 0);
    await editor.page.locator('.monaco-editor').first().click();
    await editor.page.keyboard.press('End');
    await editor.page.keyboard.type(' == 0');
    await editor.page.locator('[id="foreshock-A-legend"]').click();
    await editor.holds({ ...QUERY, expr: 'up == 0' });
    assert.equal(await editor.runs(), 1);
  },

  'changes the form with the detector, and drops what the new one does not know': async (open) => {
    const editor = await open({ query: { ...QUERY, params: { recurring: 5, budget: 2 } } });
    await editor.page.locator('[id="foreshock-A-params-bucket"]').waitFor();
    await editor.sees(detector('seasonal').summary);
    await editor.picks('foreshock-A-detector', detector('mad').title);
    await editor.holds({ ...QUERY, detector: 'mad', params: { budget: 2 } });
    assert.equal(await editor.changes(), 1, 'a choice is stored once');
    assert.equal(await editor.runs(), 1);
    await editor.sees(detector('mad').summary);
    assert.equal(await editor.page.locator('[id="foreshock-A-params-bucket"]').count(), 0);
    await editor.page.locator('[id="foreshock-A-params-budget"]').waitFor();
  },

  'writes a parameter, and takes it back with the reset button': async (open) => {
    const editor = await open({ query: QUERY });
    await editor.fill('foreshock-A-params-budget', '0.5');
    await editor.holds({ ...QUERY, params: { budget: 0.5 } });
    await editor.page.getByTestId('foreshock-A-params-budget-reset').click();
    await editor.holds(QUERY);
    assert.equal(await editor.page.locator('[id="foreshock-A-params-budget"]').inputValue(), '');
    assert.equal(await editor.page.getByTestId('foreshock-A-params-budget-reset').count(), 0);
  },

  'does not write what is the default anyway': async (open) => {
    const editor = await open({ query: { ...QUERY, params: { bucket: '30m' } } });
    await editor.fill('foreshock-A-params-bucket', '900s');
    await editor.holds(QUERY);
  },

  'says what is allowed, and stores nothing until it is': async (open) => {
    const editor = await open({ query: QUERY });
    await editor.fill('foreshock-A-params-budget', '5000');
    await editor.sees('False alarm budget: "5000" is not allowed, want a number from 0.01 to 1000');
    await editor.fill('foreshock-A-params-bucket', '5 minutes');
    await editor.sees('Bucket: "5 minutes" is not allowed, want a duration like 90s, 5m, 1d from 1m to 6h');
    await editor.fill('foreshock-A-params-recurring', '2.5');
    await editor.sees('Recurring: "2.5" is not allowed, want a whole number from 0 to 31');
    assert.equal(await editor.changes(), 0);
    await editor.fill('foreshock-A-params-budget', '50');
    await editor.holds({ ...QUERY, params: { budget: 50 } });
  },

  'keeps samples, training and policy where the back end wants them': async (open) => {
    const editor = await open({ query: QUERY });
    await editor.page.getByTestId('foreshock-A-walk-toggle').click();
    await editor.fill('foreshock-A-walk-step', '5m');
    await editor.fill('foreshock-A-walk-zone', 'Asia/Shanghai');
    await editor.page.getByTestId('foreshock-A-policy-toggle').click();
    await editor.page.getByRole('radio', { name: 'up', exact: true }).click({ force: true });
    await editor.fill('foreshock-A-policy-min_abs', '10');
    const policy = { direction: 'up', min_abs: 10 };
    await editor.holds({ ...QUERY, step: '5m', zone: 'Asia/Shanghai', policy });
    await editor.fill('foreshock-A-walk-step', '');
    await editor.holds({ ...QUERY, zone: 'Asia/Shanghai', policy });
  },

  'chooses output, legend and language': async (open) => {
    const editor = await open({ query: QUERY });
    await editor.page.getByRole('radio', { name: output('intervals').title }).click({ force: true });
    await editor.sees(output('intervals').help);
    await editor.fill('foreshock-A-legend', '{{service}}');
    await editor.picks('foreshock-A-lang', '简体中文');
    await editor.holds({ ...QUERY, output: 'intervals', legend: '{{service}}', lang: 'zh-Hans' });
    assert.equal(await editor.changes(), 3, 'each is stored once');
    await editor.picks('foreshock-A-lang', 'As the data source');
    await editor.holds({ ...QUERY, output: 'intervals', legend: '{{service}}' });
    assert.equal(await editor.runs(), 4);
  },

  'helps alert rules to one number per series': async (open) => {
    const fresh = await open({ app: 'unified-alerting', query: { refId: 'A', expr: 'up' } });
    await fresh.holds({ refId: 'A', expr: 'up', output: 'latest' });
    const copied = await open({ app: 'unified-alerting', query: QUERY });
    await copied.sees('An alert rule needs one number per series.');
    await copied.page.getByRole('button', { name: 'Use the latest score' }).click();
    await copied.holds({ ...QUERY, output: 'latest' });
  },

  'makes annotations where Grafana asks for them': async (open) => {
    const editor = await open({ annotation: '1', query: { ...QUERY, refId: 'Anno' } });
    await editor.sees(output('annotations').help);
    assert.equal(await editor.page.getByRole('radio', { name: output('intervals').title }).count(), 0);
    await editor.fill('foreshock-Anno-legend', 'x');
    await editor.holds({ ...QUERY, refId: 'Anno', legend: 'x', output: 'annotations' });
  },

  'speaks Chinese when Grafana does': async (open) => {
    const editor = await open({ lang: 'zh-Hans', query: QUERY });
    await editor.sees('检测器参数');
    await editor.sees('采样与训练');
    assert.ok(editor.requests.some((url) => url.includes('/resources/descriptors?lang=zh-Hans')));
    const shown = await editor.page.locator('[id="foreshock-A-detector"]').inputValue();
    assert.equal(shown, detector('seasonal', chinese).title);
    assert.notEqual(shown, detector('seasonal').title);
    await editor.fill('foreshock-A-params-budget', '5000');
    await editor.sees('误报预算：不允许“5000”，应为数字，范围 0.01 到 1000');
  },

  'says why detectors cannot be loaded, and tries again': async (open) => {
    let failures = 1;
    const editor = await open({ query: QUERY }, async (page) => {
      await page.route('**/resources/descriptors*', (route) =>
        failures-- > 0
          ? route.fulfill({ status: 502, json: { error: 'Prometheus at http://x cannot be reached' } })
          : route.continue()
      );
    });
    await editor.sees('Prometheus at http://x cannot be reached');
    await editor.page.getByRole('button', { name: 'Retry' }).click();
    await editor.page.locator('[id="foreshock-A-params-bucket"]').waitFor();
    assert.equal(editor.complaints.length, 1, 'the browser itself logs the 502');
    editor.complaints.length = 0;
  },

  'shows every stored query without changing it': async (open) => {
    for (const name of fs.readdirSync(queries)) {
      const query = JSON.parse(fs.readFileSync(path.join(queries, name), 'utf8'));
      const editor = await open({ query });
      await editor.page.locator(`[id="foreshock-${query.refId}-detector"]`).waitFor();
      assert.equal(await editor.changes(), 0, name);
      const end = await editor.value();
      assert.deepEqual(end, query, name);
      await editor.page.close();
    }
  },
};
