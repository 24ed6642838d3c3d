/** `npm run api-reference`: puts what the page at /docs loads, Swagger UI as its package has it, beside the page. Git does not keep it. */
import { cp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)

const FILES = {
  'swagger-ui-bundle.js': require.resolve('swagger-ui-dist/swagger-ui-bundle.js'),
  'swagger-ui.css': require.resolve('swagger-ui-dist/swagger-ui.css'),
}

export async function completeApiReference(checkout: string): Promise<void> {
  for (const [name, file] of Object.entries(FILES)) {
    // With the package's own date: what was built of it is not out of date by this.
    await cp(file, join(checkout, 'public', 'docs', name), { preserveTimestamps: true })
  }
}

if (import.meta.main) await completeApiReference(join(import.meta.dirname, '../..'))
