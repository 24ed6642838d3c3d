import { defineConfig } from 'drizzle-kit'

// Migrations run over TCP, not over Neon's HTTP gateway, and past the pooler where there is one.
const url = process.env['DATABASE_URL_UNPOOLED'] ?? process.env['DATABASE_URL']

/** Whatever the address says of it: only over TLS, and only to a server that proves to be the host it names. */
function verified(address: string): string {
  if (!URL.canParse(address)) return address
  const parsed = new URL(address)
  // The local stack's Postgres has no certificate.
  if (/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(parsed.hostname)) return address
  parsed.searchParams.set('sslmode', 'verify-full')
  parsed.searchParams.delete('uselibpqcompat')
  return parsed.href
}

export default defineConfig({
  dialect: 'postgresql',
  schema: './drizzle/schema.ts',
  out: './drizzle/migrations',
  ...(url === undefined ? {} : { dbCredentials: { url: verified(url) } }),
})
