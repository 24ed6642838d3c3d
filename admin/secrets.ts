/** A new secret, and what to do with it. Nothing is read and nothing is changed: the present secret is not even known here. */
import { randomBytes } from 'node:crypto'
import { ACCESS_TOKEN_LIFETIME_SECONDS, PUBLIC_KEYS_CACHE_SECONDS } from '../lib/access-token.ts'
import { EMAIL_CHANGE_LINK_LIFETIME_SECONDS, REGISTRATION_LINK_LIFETIME_SECONDS } from '../lib/mail-token.ts'
import { REGISTRATION_LIFETIME_SECONDS } from '../lib/registrations.ts'
import { SESSION_LIFETIME_SECONDS } from '../lib/sessions.ts'
import type { Call, Command, Outcome } from './call.ts'
import { shown } from './output.ts'

const SECRET_BYTES = 32

/** What was made under a secret needs it for so long at most. */
const LONGEST_LIFETIME_SECONDS = Math.max(
  SESSION_LIFETIME_SECONDS,
  ACCESS_TOKEN_LIFETIME_SECONDS,
  REGISTRATION_LINK_LIFETIME_SECONDS,
  REGISTRATION_LIFETIME_SECONDS,
  EMAIL_CHANGE_LINK_LIFETIME_SECONDS,
)

interface Step {
  /** The earliest moment. */
  from: Date
  /** What the variable is set to: `present` is what it holds today. */
  value: string
  why: string
}

async function rotateSecret(call: Call): Promise<Outcome> {
  const variable = call.subject ?? 'JWT_SECRET'
  if (variable !== 'JWT_SECRET' && variable !== 'CRON_SECRET') {
    return {
      kind: 'misused',
      words: 'JWT_SECRET and CRON_SECRET are made here. docs/operations.md says how the others are replaced.',
    }
  }
  const secret = randomBytes(SECRET_BYTES).toString('base64')
  const steps = variable === 'JWT_SECRET' ? jwtSteps(new Date()) : cronSteps(new Date())
  const last = steps.at(-1)?.from
  const lines = [
    `A new ${variable}. It is kept nowhere: put it where your secrets are.`,
    `  ${secret}`,
    `Set ${variable} so and deploy after each step; "present" is what it holds today, "new" is the one above:`,
    ...steps.map(
      ({ from, value, why }, index) => `${index + 1}. from ${shown(from)}  ${value.padEnd(11)}  ${why}`,
    ),
    variable === 'JWT_SECRET'
      ? `The present secret is needed until ${shown(last)}. Count from your own deploys when they are later. If it may have leaked, set the new one alone, at once: everybody is signed out.`
      : 'The present secret is of no use from then on.',
  ]
  return { kind: 'answer', data: { variable, secret, steps }, text: lines.join('\n') }
}

function jwtSteps(now: Date): Step[] {
  const later = (moment: Date, seconds: number) => new Date(moment.getTime() + seconds * 1000)
  const signs = later(now, PUBLIC_KEYS_CACHE_SECONDS)
  return [
    {
      from: now,
      value: 'present,new',
      why: 'Whoever verifies access tokens elsewhere learns the new key.',
    },
    { from: signs, value: 'new,present', why: 'The new one signs; what the present one made stays good.' },
    {
      from: later(signs, LONGEST_LIFETIME_SECONDS),
      value: 'new',
      why: 'The last session of the present one has ended.',
    },
  ]
}

function cronSteps(now: Date): Step[] {
  return [{ from: now, value: 'new', why: "Vercel's cron takes it from the same variable." }]
}

export const secretCommands: Command[] = [
  {
    name: 'rotate-secret',
    takes: '[JWT_SECRET or CRON_SECRET]',
    summary: 'Makes a new secret and says what to set when. Needs no database and changes nothing.',
    run: rotateSecret,
  },
]
