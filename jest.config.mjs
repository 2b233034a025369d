// Tests of the front end in jsdom. @grafana/* ship modules that jest cannot read by itself, so everything is transformed (and cached).
process.env.TZ = 'UTC';

export default {
  // Generous: a busy machine is no fault of a test.
  testTimeout: 120_000,
  testEnvironment: 'jest-environment-jsdom',
  testMatch: ['<rootDir>/src/**/*.test.{ts,tsx}'],
  // Go keeps many files below pkg; none is ours.
  roots: ['<rootDir>/src'],
  setupFilesAfterEnv: ['<rootDir>/.config/jest-setup.js'],
  moduleNameMapper: {
    '\\.(css|scss)$': 'identity-obj-proxy',
    '^react-inlinesvg$': '<rootDir>/.config/jest-svg.js',
  },
  transform: {
    '^.+\\.m?[tj]sx?$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        jsc: {
          parser: { syntax: 'typescript', tsx: true },
          transform: { react: { runtime: 'automatic' } },
          target: 'es2022',
        },
      },
    ],
  },
  transformIgnorePatterns: [],
};
