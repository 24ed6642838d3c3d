import { defineConfig } from 'drizzle-kit'

/** For `npm run migration`, which writes the next migration from the schema. cli/database/migrate.ts applies them. */
export default defineConfig({
  dialect: 'postgresql',
  schema: './drizzle/schema.ts',
  out: './drizzle/migrations',
})
