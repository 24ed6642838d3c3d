/** Generates a secret and prints how to roll it out. Changes nothing, and doesn't know the current secret. */
import { randomBytes } from 'node:crypto'
import { PUBLIC_KEYS_CACHE_SECONDS } from '../../lib/crypto/access-token.ts'
import { lifetimeSeconds } from '../../lib/limits.ts'
import type { Call, Command, Outcome } from './call.ts'
import { shown } from './output.ts'

const SECRET_BYTES = 32

/** How long anything signed with a secret can be valid. */
const LONGEST_LIFETIME_SECONDS = Math.max(
  lifetimeSeconds.sessionAbsolute,
  lifetimeSeconds.accessToken,
  lifetimeSeconds.registrationLink,
  lifetimeSeconds.registration,
  lifetimeSeconds.emailChangeLink,
)

interface Step {
  /** No earlier than this. */
  from: Date
  /** What to set the variable to. `current` stands for its value today. */
  value: string
  why: string
}

async function rotateSecret(call: Call): Promise<Outcome> {
  const variable = call.argument ?? 'JWT_SECRET'
  if (variable !== 'JWT_SECRET' && variable !== 'CRON_SECRET') {
    return {
      kind: 'usage-error',
      message: 'Only JWT_SECRET and CRON_SECRET are generated here. See docs/operations.md for the others.',
    }
  }
  const secret = randomBytes(SECRET_BYTES).toString('base64')
  const steps = variable === 'JWT_SECRET' ? jwtSteps(new Date()) : cronSteps(new Date())
  const lines = [
    `New ${variable} (not stored anywhere):`,
    '',
    `    ${secret}`,
    '',
    'Set the variable and deploy at each step; "current" is the value of today.',
    '',
    ...steps.flatMap(({ from, value, why }, index) => [
      `${index + 1}. From ${shown(from)}: ${variable}=${value}`,
      `   ${why}`,
    ]),
    ...(variable === 'JWT_SECRET' ? ['', ...JWT_NOTES] : []),
  ]
  return { kind: 'done', data: { variable, secret, steps }, text: lines.join('\n') }
}

const JWT_NOTES = [
  'Count from your own deploys if they are later.',
  'If the current secret may have leaked, do only the last step, and do it now.',
  'Everyone has to sign in again.',
]

function jwtSteps(now: Date): Step[] {
  const after = (time: Date, seconds: number) => new Date(time.getTime() + seconds * 1000)
  const signs = after(now, PUBLIC_KEYS_CACHE_SECONDS)
  return [
    { from: now, value: 'current,new', why: 'Services that verify access tokens learn the new public key.' },
    {
      from: signs,
      value: 'new,current',
      why: 'The new secret signs. What the current one signed stays valid.',
    },
    {
      from: after(signs, LONGEST_LIFETIME_SECONDS),
      value: 'new',
      why: 'Everything that the current secret signed has expired.',
    },
  ]
}

function cronSteps(now: Date): Step[] {
  return [
    {
      from: now,
      value: 'new',
      why: 'Vercel Cron reads the same variable. The current secret stops working.',
    },
  ]
}

export const secretCommands: Command[] = [
  {
    name: 'rotate-secret',
    argument: '[variable]',
    summary: 'Generate JWT_SECRET or CRON_SECRET, with steps.',
    run: rotateSecret,
  },
]
