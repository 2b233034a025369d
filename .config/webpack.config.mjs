// Builds the front end of the plugin into dist/: one AMD module that Grafana loads.
// What Grafana provides at run time (React, its JSX runtime, @grafana/*) is external, so that one bundle serves Grafana 12 (React 18) and 13 (React 19).
import fs from 'node:fs';
import path from 'node:path';
import CopyWebpackPlugin from 'copy-webpack-plugin';
import TerserPlugin from 'terser-webpack-plugin';
import VirtualModulesPlugin from 'webpack-virtual-modules';
import { externals } from './externals.mjs';

const root = path.resolve(import.meta.dirname, '..');
const src = path.join(root, 'src');
const plugin = JSON.parse(fs.readFileSync(path.join(src, 'plugin.json'), 'utf8'));
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Fills the place holders that Grafana's tools use in plugin.json and README.md. */
const fill = (content) =>
  content
    .toString()
    .replaceAll('%VERSION%', version)
    .replaceAll('%TODAY%', new Date().toISOString().slice(0, 10))
    .replaceAll('%PLUGIN_ID%', plugin.id);

/** Grafana tells the module its own address; chunks and images are found beside it. */
const publicPath = new VirtualModulesPlugin({
  'node_modules/grafana-public-path.js': `
import amd from 'amd-module';
__webpack_public_path__ = amd && amd.uri ? amd.uri.slice(0, amd.uri.lastIndexOf('/') + 1) : 'public/plugins/${plugin.id}/';
`,
});

export default (env) => ({
  mode: env.production ? 'production' : 'development',
  context: src,
  entry: { module: './module.ts' },
  devtool: env.production ? 'source-map' : 'eval-source-map',
  externals,
  cache: { type: 'filesystem', buildDependencies: { config: [import.meta.filename] } },
  module: {
    parser: { javascript: { dynamicImportMode: 'eager' } },
    rules: [
      {
        test: path.join(src, 'module.ts'),
        use: [{ loader: 'imports-loader', options: { imports: 'side-effects grafana-public-path' } }],
      },
      {
        test: /\.tsx?$/,
        exclude: /node_modules/,
        use: {
          loader: 'swc-loader',
          options: {
            jsc: {
              target: 'es2020',
              parser: { syntax: 'typescript', tsx: true },
              transform: { react: { runtime: 'automatic' } },
            },
          },
        },
      },
    ],
  },
  resolve: {
    extensions: ['.ts', '.tsx', '.js', '.mjs', '.json'],
    // Grafana's test locale; only Grafana itself starts it.
    alias: { 'i18next-pseudo': false },
  },
  optimization: {
    minimize: Boolean(env.production),
    minimizer: [new TerserPlugin({ extractComments: false, terserOptions: { format: { comments: false } } })],
  },
  // No size limit is stated by Grafana; this one keeps us honest.
  performance: {
    hints: env.production ? 'error' : false,
    maxAssetSize: 200_000,
    maxEntrypointSize: 200_000,
    assetFilter: (name) => name.endsWith('.js'),
  },
  output: {
    path: path.join(root, 'dist'),
    // The back end's executables are built into the same folder and stay.
    clean: { keep: /^(gpx_|go_plugin_build_manifest)/ },
    filename: '[name].js',
    library: { type: 'amd' },
    publicPath: `public/plugins/${plugin.id}/`,
    uniqueName: plugin.id,
  },
  plugins: [
    publicPath,
    new CopyWebpackPlugin({
      patterns: [
        { from: 'plugin.json', transform: fill },
        { from: '../README.md', transform: fill, noErrorOnMissing: true },
        { from: '../CHANGELOG.md', noErrorOnMissing: true },
        { from: '../LICENSE', noErrorOnMissing: true },
        { from: 'locales/**/*.json' },
        { from: 'img/**/*' },
      ],
    }),
  ],
});
