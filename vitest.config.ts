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
      {
        test: { name: 'dev', include: ['dev/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
    ],
  },
})
