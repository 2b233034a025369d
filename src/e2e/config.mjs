// The settings page of the shipped bundle.
import assert from 'node:assert/strict';

const jsonData = async (editor) => (await editor.value()).jsonData;

export const configTests = {
  'keeps the connection where Grafana keeps it': async (open) => {
    const editor = await open({ view: 'config' });
    await editor.page.getByPlaceholder('http://localhost:9090').fill('http://prometheus:9090');
    assert.equal((await editor.value()).url, 'http://prometheus:9090');

    await editor.page.getByLabel('Authentication method').click();
    await editor.page.getByText('Basic authentication', { exact: true }).last().click();
    await editor.page.getByPlaceholder('User').fill('reader');
    await editor.page.getByPlaceholder('Password').fill('secret');
    const value = await editor.value();
    assert.equal(value.basicAuth, true);
    assert.equal(value.basicAuthUser, 'reader');
    assert.equal(value.secureJsonData.basicAuthPassword, 'secret');
    assert.ok(!JSON.stringify(value.jsonData).includes('secret'), 'a secret is never in jsonData');
  },

  'skips TLS verification and adds headers': async (open) => {
    const editor = await open({ view: 'config' });
    await editor.page.getByText('Skip TLS certificate validation').click();
    assert.equal((await jsonData(editor)).tlsSkipVerify, true);
    await editor.page.getByRole('button', { name: /Expand section HTTP headers/ }).click();
    await editor.page.getByRole('button', { name: 'Add header' }).click();
    await editor.page.getByPlaceholder('X-Custom-Header').fill('X-Scope-OrgID');
    await editor.page.getByPlaceholder('Header value').fill('tenant');
    await editor.page.getByPlaceholder('Header value').blur();
    const value = await editor.value();
    assert.equal(value.jsonData.httpHeaderName1, 'X-Scope-OrgID');
    assert.equal(value.secureJsonData.httpHeaderValue1, 'tenant');
  },

  'checks and stores the detection defaults': async (open) => {
    const editor = await open({ view: 'config' });
    await editor.sees('Detection defaults');
    await editor.fill('foreshock-config-maxSeries', '0');
    await editor.sees('Most series: "0" is not allowed, want a whole number from 1 to 10000');
    assert.equal(await editor.changes(), 0);
    await editor.fill('foreshock-config-maxSeries', '250');
    await editor.fill('foreshock-config-zone', 'Asia/Shanghai');
    await editor.fill('foreshock-config-settle', '2m');
    await editor.picks('foreshock-config-lang', '简体中文');
    await editor.page.getByRole('radio', { name: 'GET' }).click({ force: true });
    assert.deepEqual(await jsonData(editor), {
      maxSeries: 250,
      zone: 'Asia/Shanghai',
      settle: '2m',
      lang: 'zh-Hans',
      httpMethod: 'GET',
    });
  },

  'keeps the password of Loki apart from its address': async (open) => {
    const editor = await open({ view: 'config' });
    await editor.page.locator('#foreshock-config-loki-url').fill('http://loki:3100');
    await editor.page.locator('#foreshock-config-loki-user').fill('reader');
    await editor.page.locator('#foreshock-config-loki-password').fill('secret');
    const value = await editor.value();
    assert.deepEqual(value.jsonData, { lokiUrl: 'http://loki:3100', lokiUser: 'reader' });
    assert.equal(value.secureJsonData.lokiPassword, 'secret');
  },

  'offers the secure socks proxy where the operator allows it': async (open) => {
    const editor = await open({ view: 'config' });
    await editor.sees('Secure Socks Proxy');
  },

  'speaks Chinese': async (open) => {
    const editor = await open({ view: 'config', lang: 'zh-Hans' });
    await editor.sees('检测默认值');
    await editor.sees('序列数上限');
  },
};
