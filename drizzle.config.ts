import { defineConfig } from 'drizzle-kit'

// Migrations run over TCP, not over Neon's HTTP gateway, and past the pooler where there is one.
const url = process.env['DATABASE_URL_UNPOOLED'] ?? process.env['DATABASE_URL']

export default defineConfig({
  dialect: 'postgresql',
  schema: './drizzle/schema.ts',
  out: './drizzle/migrations',
  ...(url === undefined ? {} : { dbCredentials: { url } }),
})
