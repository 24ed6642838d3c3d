/**
 * `npm run doctor`: looks at what the functions will meet and says what is wrong and how to mend it; also a step of a deploy. Ends with 1
 * when something does not work, with 0 when there is advice at most, with 2 when it was asked for what it does not know.
 */
import { parseArgs } from 'node:util'
import { examine, type Finding } from './examination.ts'

const HELP = `npm run doctor [-- --json]

Looks at the environment, the origin, the secrets, the database (over HTTP as the functions do, and over TCP as the migrations do), its
clock, role and migrations, and at Resend's key and sender. Changes nothing and shows no value. Reads .env where there is one.

  --json   prints {"ok", "findings": [{"about", "kind", "says", "mend"}]}; kind is good, advice, trouble or fault
  --help   prints this

Ends with 1 for a fault (something set is wrong) or trouble (it does not work now, and may by itself), otherwise with 0.`

const MARKS: Record<Finding['kind'], string> = {
  good: 'ok     ',
  advice: 'advice ',
  trouble: 'TROUBLE',
  fault: 'FAULT  ',
}

function inWords({ about, kind, says, mend }: Finding): string {
  const line = `${MARKS[kind]}  ${about}: ${says}`
  return mend === undefined ? line : `${line}\n         ${mend}`
}

/** For a deploy: prints what is not good. False when something set is wrong; what may pass by itself does not hold up a deploy. */
export async function checkSurroundings(): Promise<boolean> {
  const findings = await examine(process.env)
  for (const finding of findings) {
    if (finding.kind === 'fault') console.error(inWords(finding))
    else if (finding.kind !== 'good') console.warn(inWords(finding))
  }
  return findings.every(({ kind }) => kind !== 'fault')
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, help: { type: 'boolean' } } })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const findings = await examine(process.env)
  const ok = findings.every(({ kind }) => kind === 'good' || kind === 'advice')
  if (values.json) console.log(JSON.stringify({ ok, findings }, undefined, 2))
  else for (const finding of findings) console.log(inWords(finding))
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
