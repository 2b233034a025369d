import { defineConfig } from 'eslint/config';
import grafana from '@grafana/eslint-config/flat.js';
import prettier from 'eslint-config-prettier/flat';

export default defineConfig([
  {
    ignores: ['**/node_modules/', 'dist/', 'coverage/', 'bin/', 'pkg/', 'exporter/', 'webhook/', 'docs/', 'artifacts/'],
  },
  ...grafana,
  {
    rules: {
      'react/prop-types': 'off',
      'react/react-in-jsx-scope': 'off', // the JSX runtime is automatic
    },
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      '@typescript-eslint/no-deprecated': 'error',
      'no-console': 'error',
    },
  },
  prettier,
]);
