import { defineConfig } from 'vitest/config'

/** Those that look at nothing on the way between the functions and the database. */
const OVER_TCP =
  'test/endpoints/{account,lifecycle,login,logout,one-time-code,refresh,register,reset,sessions,verify}.test.ts'

const endpoints = {
  setupFiles: ['test/support/setup-environment.ts', 'test/support/setup-stack.ts'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

export default defineConfig({
  test: {
    silent: 'passed-only',
    projects: [
      {
        test: {
          name: 'lib',
          include: ['lib/**/*.test.ts', 'test/inventory/**/*.test.ts'],
          setupFiles: ['test/support/setup-environment.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'endpoints',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{browser,built,inventory}/**'],
          globalSetup: ['test/support/global-postgres.ts'],
          ...endpoints,
        },
      },
      {
        test: {
          name: 'tcp',
          include: [OVER_TCP],
          globalSetup: ['test/support/global-postgres.ts'],
          env: { TEST_TRANSPORT: 'tcp' },
          ...endpoints,
        },
      },
      // Wants Debian's pgbouncer: `npm run test:pgbouncer`.
      {
        test: {
          name: 'pgbouncer',
          include: [OVER_TCP],
          globalSetup: ['test/support/pgbouncer.ts'],
          env: { TEST_TRANSPORT: 'pgbouncer' },
          ...endpoints,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/browser/global-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      // What `npm run build` left, not the sources.
      {
        test: {
          name: 'built',
          include: ['test/built/**/*.test.ts'],
          globalSetup: ['test/built/global-artefact.ts', 'test/support/global-postgres.ts'],
          setupFiles: ['test/support/setup-environment.ts', 'test/support/setup-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'built-browser',
          include: ['test/browser/{account,api-reference,client,story}.test.ts'],
          globalSetup: ['test/built/global-artefact.ts', 'test/browser/global-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      // Wants the example's own packages: `npm run test:next`.
      {
        test: {
          name: 'next',
          include: ['examples/*.test.ts'],
          globalSetup: ['test/support/global-postgres.ts'],
          setupFiles: ['test/support/setup-environment.ts', 'test/support/setup-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'dev',
          include: ['dev/**/*.test.ts', 'cli/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
