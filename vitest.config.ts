import { defineConfig } from 'vitest/config'

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
          setupFiles: ['test/setup-environment.ts', 'test/setup-stack.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
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
