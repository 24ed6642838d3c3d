import { defineConfig } from 'vitest/config'

/** Those that look at nothing on the way between the functions and the database. */
const OVER_TCP =
  'test/{account,lifecycle,login,logout,mail-code,refresh,register,reset,sessions,verify}.test.ts'

const endpoints = {
  setupFiles: ['test/setup-environment.ts', 'test/setup-stack.ts'],
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
          include: ['lib/**/*.test.ts'],
          setupFiles: ['test/setup-environment.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'endpoints',
          include: ['test/**/*.test.ts'],
          globalSetup: ['test/global-postgres.ts'],
          ...endpoints,
        },
      },
      {
        test: {
          name: 'tcp',
          include: [OVER_TCP],
          globalSetup: ['test/global-postgres.ts'],
          env: { TEST_TRANSPORT: 'tcp' },
          ...endpoints,
        },
      },
      // Wants Debian's pgbouncer: `npm run test:pgbouncer`.
      {
        test: {
          name: 'pgbouncer',
          include: [OVER_TCP],
          globalSetup: ['test/pgbouncer.ts'],
          env: { TEST_TRANSPORT: 'pgbouncer' },
          ...endpoints,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['browser/**/*.test.ts'],
          globalSetup: ['browser/global-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      // What `npm run build` left, not the sources.
      {
        test: {
          name: 'built',
          include: ['artefact/**/*.test.ts'],
          globalSetup: ['artefact/global-artefact.ts', 'test/global-postgres.ts'],
          setupFiles: ['test/setup-environment.ts', 'test/setup-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'built-browser',
          include: ['browser/{account,api-reference,client,story}.test.ts'],
          globalSetup: ['artefact/global-artefact.ts', 'browser/global-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      // Wants the example's own packages: `npm run test:next`.
      {
        test: {
          name: 'next',
          include: ['examples/*.test.ts'],
          globalSetup: ['test/global-postgres.ts'],
          setupFiles: ['test/setup-environment.ts', 'test/setup-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'dev',
          include: ['dev/**/*.test.ts', 'build/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
