/** `npm run check:openapi`: what Redocly's linter says of the contract. Its command line would tell its maker of each run; this does not. */
import { createConfig, lint } from '@redocly/openapi-core'
import { OPENAPI_PATH } from './openapi.ts'

const config = await createConfig({ extends: ['recommended-strict'] })
const issues = await lint({ ref: OPENAPI_PATH, config })
for (const { ruleId, message, location } of issues) {
  console.error(`${location.map(({ pointer }) => pointer).join(' ')}: ${message} (${ruleId})`)
}
if (issues.length > 0) process.exitCode = 1
else console.log('The contract is an OpenAPI document without a fault.')
