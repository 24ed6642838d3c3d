/** Whether Resend takes the key, and sends from the sender's domain. */
import { Resend, type Domain } from 'resend'
import type { Environment } from '../../lib/env.ts'
import { error, info, ok, warning, type Finding } from './finding.ts'

const EMAIL_TIMEOUT_MS = 10_000
const DOMAINS_A_PAGE = 100

/** Right in a preview; in production it keeps customers' emails back for good. */
export function checkRecipients({ emailAllow, stage }: Environment): Finding[] {
  if (stage !== 'production' || emailAllow === undefined) return []
  const message = 'EMAIL_ALLOW is set in production: emails to anyone else are never sent.'
  return [info('email', message, 'Remove it from Production, unless it is intended.')]
}

export async function checkEmail(
  { resendApiKey, emailFrom, stage }: Environment,
  variables: NodeJS.ProcessEnv,
): Promise<Finding[]> {
  const domain = senderDomain(emailFrom)
  const hasStandIn = stage === 'development' && Boolean(variables['RESEND_BASE_URL'])
  if (!hasStandIn && domain === 'resend.dev') {
    const message =
      'EMAIL_FROM is at resend.dev, from which Resend delivers only to the owner of its account.'
    const fix = 'Verify a domain at https://resend.com/domains and send from there.'
    return [stage === 'production' ? error('email', message, fix) : info('email', message, fix)]
  }
  const listed = await listDomains(resendApiKey)
  if (hasStandIn && listed.kind !== 'unanswered') {
    const message = 'Emails go to a stand-in for Resend, so key and sender are not checked.'
    return [ok('email', message)]
  }
  switch (listed.kind) {
    case 'sending-only':
      return [
        ok(
          'email',
          "Resend knows the key. It may only send, which is right; so whether the sender's domain is verified " +
            "can't be checked from here: https://resend.com/domains shows it.",
        ),
      ]
    case 'refused':
      return [
        error(
          'email',
          `Resend refuses the key in RESEND_API_KEY: ${listed.reason}.`,
          'Make one with sending access at https://resend.com/api-keys.',
        ),
      ]
    case 'unanswered':
      return [
        warning(
          'email',
          `Resend didn't answer: ${listed.reason}.`,
          'Look at https://resend-status.com, and try again.',
        ),
      ]
    case 'domains':
      return checkSender(
        listed.domains.find(({ name }) => name.toLowerCase() === domain),
        stage,
      )
  }
}

function checkSender(domain: Domain | undefined, stage: Environment['stage']): Finding[] {
  const findings = [
    info(
      'email',
      'RESEND_API_KEY has full access to the account at Resend.',
      'A key with sending access is enough: https://resend.com/api-keys.',
    ),
  ]
  const issue =
    domain === undefined
      ? 'is not among the domains of this account at Resend'
      : domain.status !== 'verified'
        ? `is not verified at Resend (${domain.status})`
        : domain.capabilities?.sending === 'disabled'
          ? 'may not send at Resend'
          : undefined
  if (issue !== undefined) {
    const message = `The domain of the sender in EMAIL_FROM ${issue}, so no email is sent.`
    const fix = 'Add it at https://resend.com/domains and set the DNS records that are shown there.'
    return [...findings, stage === 'development' ? info('email', message, fix) : error('email', message, fix)]
  }
  if (domain?.open_tracking === true || domain?.click_tracking === true) {
    findings.push(
      warning(
        'email',
        'Resend tracks who opens emails or clicks their links.',
        "Turn tracking off in the domain's settings at Resend: it rewrites the links and sees their tokens.",
      ),
    )
  }
  return [ok('email', "Resend knows the key, and the sender's domain is verified."), ...findings]
}

type ListedDomains =
  | { kind: 'domains'; domains: Domain[] }
  | { kind: 'sending-only' }
  | { kind: 'refused'; reason: string }
  | { kind: 'unanswered'; reason: string }

/**
 * A key that may only send is refused the list with an error of its own, which proves it
 * (https://resend.com/docs/api-reference/errors).
 */
async function listDomains(apiKey: string): Promise<ListedDomains> {
  const resend = new Resend(apiKey)
  const options = { signal: AbortSignal.timeout(EMAIL_TIMEOUT_MS), redirect: 'error' }
  const domains: Domain[] = []
  for (;;) {
    const last = domains.at(-1)
    const page = last === undefined ? {} : { after: last.id }
    const { data, error: refusal } = await resend.domains.list({ limit: DOMAINS_A_PAGE, ...page }, options)
    if (refusal !== null) {
      if (refusal.name === 'restricted_api_key') return { kind: 'sending-only' }
      const { statusCode } = refusal
      const reason = `${statusCode ?? 'no response'} ${refusal.name}`
      const isClientError = statusCode !== null && statusCode >= 400 && statusCode < 500
      // An unknown key is 400, 401 or 403, by different names; nothing else in the request could be wrong.
      const isRefused = isClientError && statusCode !== 408 && statusCode !== 429
      return { kind: isRefused ? 'refused' : 'unanswered', reason }
    }
    domains.push(...data.data)
    if (!data.has_more || data.data.length === 0) return { kind: 'domains', domains }
  }
}

/** Of `Example <login@mail.example.com>`, or of the address alone. */
function senderDomain(emailFrom: string): string {
  return emailFrom.replace(/>$/, '').split('@').at(-1)?.toLowerCase() ?? ''
}
