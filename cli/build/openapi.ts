/** `npm run openapi`: writes public/openapi.json, the contract, from what the endpoints use themselves. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openapiDocument } from './openapi/document.ts'

export const OPENAPI_PATH = join(import.meta.dirname, '../../public/openapi.json')

export async function openapiText(): Promise<string> {
  return `${JSON.stringify(await openapiDocument(), undefined, 2)}\n`
}

if (import.meta.main) writeFileSync(OPENAPI_PATH, await openapiText())
