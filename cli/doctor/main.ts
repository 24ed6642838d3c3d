/**
 * `npm run doctor`: checks what the functions depend on and says how to fix what is wrong; also a step of a deploy.
 * Exits with 1 for an error or a warning, with 0 for information at most, with 2 for an unknown option.
 */
import { parseArgs } from 'node:util'
import { runChecks } from './checks.ts'
import type { Finding } from './finding.ts'

const HELP = `npm run doctor [-- --json]

Checks the environment, the origin, the secrets, the database (over HTTP as the
functions, over TCP as the migrations), its clock, isolation level, role and
migrations, and Resend's key and sender. Changes nothing and shows no value.
Reads .env where there is one.

  --json   prints {"ok", "findings": [{"about", "level", "message", "fix"}]}
  --help   prints this

  error     something set is wrong
  warning   something doesn't work or isn't safe now
  info      works, and could be better
  ok

Exits with 1 for an error or a warning, otherwise with 0.`

const MARKS: Record<Finding['level'], string> = {
  ok: 'ok     ',
  info: 'info   ',
  warning: 'WARNING',
  error: 'ERROR  ',
}

function lineOf({ about, level, message, fix }: Finding): string {
  const line = `${MARKS[level]}  ${about}: ${message}`
  return fix === undefined ? line : `${line}\n         ${fix}`
}

/** For a deploy: prints what isn't ok. False for an error; a warning may pass by itself and doesn't stop a deploy. */
export async function checkSurroundings(): Promise<boolean> {
  const findings = await runChecks(process.env)
  for (const finding of findings) {
    if (finding.level === 'error') console.error(lineOf(finding))
    else if (finding.level !== 'ok') console.warn(lineOf(finding))
  }
  return findings.every(({ level }) => level !== 'error')
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, help: { type: 'boolean' } } })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const findings = await runChecks(process.env)
  const ok = findings.every(({ level }) => level === 'ok' || level === 'info')
  if (values.json) console.log(JSON.stringify({ ok, findings }, undefined, 2))
  else for (const finding of findings) console.log(lineOf(finding))
  return ok ? 0 : 1
}

if (import.meta.main) {
  try {
    process.exitCode = await main()
  } catch (error) {
    // What `parseArgs` throws names the option; nothing else throws here.
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 2
  }
}
