/**
 * `npm run verify:deployment -- https://app.example.com [https://preview.example.com]`: looks at a deployment from outside and prints a
 * line for each check. Fails when one of them does. Changes nothing there.
 */
import { deploymentChecks, type Deployment } from './deployment-checks.ts'

const [origin, previewOrigin] = process.argv.slice(2).map(originOf)
if (origin === undefined) {
  console.error(
    'Say which: npm run verify:deployment -- https://app.example.com [https://a-preview.vercel.app]',
  )
  process.exit(2)
}
const deployment: Deployment = { origin, ...(previewOrigin !== undefined && { previewOrigin }) }
const isPlain = origin.startsWith('http:')

let failed = 0
let skipped = 0
for (const check of deploymentChecks) {
  const { ids, name, atEdge } = check
  const what = `${ids.join(', ')}: ${name}`
  try {
    const reason =
      isPlain && atEdge === true
        ? 'plain http has neither TLS nor an edge to look at'
        : await check.run(deployment)
    if (typeof reason === 'string') skipped += 1
    console.log(typeof reason === 'string' ? `skipped  ${what} (${reason})` : `ok       ${what}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED   ${what}\n         ${error instanceof Error ? error.message : String(error)}`)
  }
}
console.log(`\n${deploymentChecks.length - failed - skipped} ok, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed === 0 ? 0 : 1

function originOf(text: string): string {
  const isLocal = /^http:\/\/localhost(:\d+)?\/?$/.test(text)
  if (!URL.canParse(text) || !(text.startsWith('https://') || isLocal)) {
    console.error(`${text} is neither https://… nor http://localhost`)
    process.exit(2)
  }
  return new URL(text).origin
}
