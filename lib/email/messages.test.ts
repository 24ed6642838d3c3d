import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { EMAIL_LANGUAGES, type EmailLanguage } from '../env-schema.ts'
import { languages } from './languages.ts'
import { english } from './languages/en.ts'
import { oneTimeCode, type OneTimeCodePurpose } from '../crypto/one-time-code.ts'
import { verifyOneTimeToken, type OneTimeTokenPurpose } from '../crypto/one-time-token.ts'
import { lifetimeSeconds } from '../limits.ts'
import type { EmailKind } from '../db/engine.ts'
import type { Facts, Message } from './messages.ts'

const ORIGIN = 'https://app.latchkey.test'
const TOKEN = {
  id: '0199c6f8-5a1e-7c3d-9b2a-4f6e8d0c1b2a',
  expiresAt: new Date(Math.ceil(Date.now() / 1000 + 3600) * 1000),
}

const KINDS = Object.keys(english.emails) as EmailKind[]

interface EmailedLink {
  path: string
  purpose: OneTimeTokenPurpose
  lifetime: string
  code?: OneTimeCodePurpose
}

const REGISTRATION_LIFETIME = `${lifetimeSeconds.registrationLink / 3600} hours`
const RESET_LIFETIME = `${lifetimeSeconds.resetLink / 60} minutes`
const EMAIL_CHANGE_LIFETIME = `${lifetimeSeconds.emailChangeLink / 3600} hours`

const LINKS: Partial<Record<EmailKind, EmailedLink>> = {
  'confirm-registration': {
    path: '/auth/verify',
    purpose: 'registration-email',
    lifetime: REGISTRATION_LIFETIME,
    code: 'registration-email',
  },
  'reset-password': {
    path: '/auth/reset',
    purpose: 'reset-email',
    lifetime: RESET_LIFETIME,
    code: 'reset-email',
  },
  'reset-required': {
    path: '/auth/reset',
    purpose: 'reset-email',
    lifetime: RESET_LIFETIME,
    code: 'reset-email',
  },
  'confirm-email-change': {
    path: '/auth/verify',
    purpose: 'email-change-email',
    lifetime: EMAIL_CHANGE_LIFETIME,
  },
  'email-change-requested': {
    path: '/auth/cancel',
    purpose: 'email-change-cancel-email',
    lifetime: EMAIL_CHANGE_LIFETIME,
  },
}

const WITHOUT_BUTTON: readonly EmailKind[] = ['email-changed', 'account-deleted']

/** White space counts for nothing, nor does it around a link. */
function collapsed(words: string): string {
  return words.replaceAll(/\s+/g, ' ').replaceAll(/ (?=[.,])/g, '')
}

/** What an email of that language has for a person who didn't cause it. */
function ifNotYou(language: EmailLanguage, kind: EmailKind, support?: string): string {
  const facts: Facts = {
    product: 'Latchkey',
    support,
    registrationLinkHours: lifetimeSeconds.registrationLink / 3600,
    resetLinkMinutes: lifetimeSeconds.resetLink / 60,
    emailChangeLinkHours: lifetimeSeconds.emailChangeLink / 3600,
  }
  return languages[language].emails[kind](facts).ifNotYou
}

/** The emails of an instance that starts with these variables. */
async function emailsWith(variables: Record<string, string>): Promise<(readonly [EmailKind, Message])[]> {
  vi.resetModules()
  for (const [key, value] of Object.entries(variables)) vi.stubEnv(key, value)
  const { composeMessage } = await import('./messages.ts')
  return Promise.all(KINDS.map(async (kind) => [kind, await composeMessage(kind, TOKEN)] as const))
}

function countOf(part: string, text: string): number {
  return text.split(part).length - 1
}

/** The text of an email as a client would show it, without what is only in its source. */
function shownText(html: string): string {
  return html
    .replace(/<head>.*<\/head>/s, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/&quot;|&#39;|&lt;|&gt;/g, '"')
    .replaceAll('&amp;', '&')
}

function linkIn(text: string): string {
  return /^https:\/\/\S+$/m.exec(text)?.[0] ?? ''
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe.each(EMAIL_LANGUAGES)('the emails, EMAIL_LANGUAGE=%s', (language) => {
  test('every email has a subject, a text and an HTML part, all in that language', async () => {
    for (const [kind, { subject, text, html }] of await emailsWith({ EMAIL_LANGUAGE: language })) {
      expect(subject, kind).not.toBe('')
      expect(text.length, kind).toBeGreaterThan(150)
      expect(html, kind).toMatch(/^<!doctype html>\n<html lang="(\w+)" dir="ltr">/)
      expect(countOf(`lang="${language}" dir="ltr"`, html), kind).toBe(2)
      expect(html.match(/<h1[^>]*>(.*)<\/h1>/)?.[1], kind).toBe(subject)
      expect(shownText(html), kind).not.toMatch(/undefined|NaN|\[object|\$\{/)
      expect(text, kind).not.toMatch(/undefined|NaN|\[object|\$\{/)
    }
  })

  test('both parts say the same', async () => {
    for (const [kind, { text, html }] of await emailsWith({ EMAIL_LANGUAGE: language })) {
      const shown = shownText(html)
      for (const line of text.split('\n').filter((each) => each !== '')) {
        expect(shown, kind).toContain(line)
      }
    }
  })

  test('the link is once in the text and twice in the HTML: to press and to copy', async () => {
    const emails = await emailsWith({ EMAIL_LANGUAGE: language })
    for (const [kind, { text, html }] of emails.filter(([each]) => !WITHOUT_BUTTON.includes(each))) {
      const link = linkIn(text)
      expect(countOf(link, text), kind).toBe(1)
      expect(countOf(link, html), kind).toBe(2)
      expect(countOf(`href="${link}"`, html), kind).toBe(1)
    }
    for (const [kind, { text, html }] of emails.filter(([each]) => WITHOUT_BUTTON.includes(each))) {
      expect(`${text}${html}`, kind).not.toContain('https:')
    }
  })

  test('a link carries the token in its fragment to the page that takes it, the other ones lead to where one signs in', async () => {
    for (const [kind, { text }] of await emailsWith({ EMAIL_LANGUAGE: language })) {
      const [address, token] = linkIn(text).split('#token=')
      const { path, purpose, lifetime } = LINKS[kind] ?? { path: '/', purpose: undefined, lifetime: '' }
      const opened = verifyOneTimeToken(purpose === undefined ? [] : [purpose], token ?? '')
      expect(address, kind).toBe(WITHOUT_BUTTON.includes(kind) ? '' : `${ORIGIN}${path}`)
      expect(opened, kind).toEqual(
        purpose === undefined ? { kind: 'invalid' } : { kind: 'valid', purpose, ...TOKEN },
      )
      expect(text, kind).toContain(lifetime.replace(/[a-z]+/, ''))
    }
  })

  test('six digits are in the emails that a page takes them for, and in no other one', async () => {
    for (const [kind, { subject, text, html }] of await emailsWith({ EMAIL_LANGUAGE: language })) {
      const purpose = LINKS[kind]?.code
      const groups = /(?<![\w-])\d{3} \d{3}(?![\w-])/g
      const digits = purpose && oneTimeCode(purpose, TOKEN)
      const expected = digits === undefined ? null : [`${digits.slice(0, 3)} ${digits.slice(3)}`]
      expect(text.match(groups), kind).toEqual(expected)
      expect(shownText(html).match(groups), kind).toEqual(expected)
      expect(subject, kind).not.toMatch(/\d/)
    }
  })

  test('what a locked phone may show has neither link nor digits of the code', async () => {
    for (const [kind, { html }] of await emailsWith({ EMAIL_LANGUAGE: language })) {
      const preview = /<div style="display:none[^"]*">([^<]+)<\/div>/.exec(html)?.[1]
      expect(preview, kind).toMatch(/.{20}/)
      expect(preview, kind).not.toMatch(/https?:|token|\d{3}/)
    }
  })

  test('[63B-4 4.2.3] every email says what to do if it was not you, and names the support address where there is one', async () => {
    const without = await emailsWith({ EMAIL_LANGUAGE: language })
    const support = "o'brien+help@example.com"
    const named = await emailsWith({ EMAIL_LANGUAGE: language, SUPPORT_ADDRESS: support })
    for (const [kind, { text, html }] of [...without, ...named]) {
      const words = ifNotYou(
        language,
        kind,
        named.some(([, message]) => message.text === text) ? support : undefined,
      )
      expect(words.length, kind).toBeGreaterThan(20)
      expect(text, kind).toContain(words)
      expect(collapsed(shownText(html)), kind).toContain(collapsed(words.replaceAll("'", '"')))
    }
    for (const [kind, { text, html }] of without) expect(`${text}${html}`, kind).not.toMatch(/\w@\w|mailto:/)
    for (const [kind, { text, html }] of named) {
      expect(text, kind).toContain(support)
      expect(html, kind).toContain(
        '<a href="mailto:o&#39;brien%2Bhelp@example.com" style="color:inherit">o&#39;brien+help@example.com</a>',
      )
    }
    // Where nothing but a person can help, the address stands in the very sentence.
    for (const [kind, { text }] of named.filter(([each]) => WITHOUT_BUTTON.includes(each))) {
      expect(text, kind).toContain(ifNotYou(language, kind, support))
      expect(ifNotYou(language, kind, support), kind).toContain(support)
    }
  })

  test('[ASVS 14.2.3] an email loads nothing and leads nowhere but to the own origin', async () => {
    const emails = await emailsWith({ EMAIL_LANGUAGE: language, SUPPORT_ADDRESS: 'help@example.com' })
    for (const [kind, { text, html }] of emails) {
      for (const [address] of `${text}\n${html}`.matchAll(/\w+:\/\/[^\s"<]*/g)) {
        expect(new URL(address).origin, kind).toBe(ORIGIN)
      }
      for (const [, href] of html.matchAll(/href="([^"]*)"/g)) {
        expect(href, kind).toMatch(/^(?:https:\/\/app\.latchkey\.test\/|mailto:help@example\.com$)/)
      }
      expect(html, kind).not.toMatch(/<(?:img|script|link|iframe|object|embed|video|audio|form|base|svg)\b/i)
      expect(html, kind).not.toMatch(/\b(?:src|srcset|background|poster|ping)=|url\(|@import|\bon\w+=/i)
    }
  })

  test('[ASVS 1.3.11] a product name is text in the HTML, whatever it has in it', async () => {
    const plain = await emailsWith({ EMAIL_LANGUAGE: language, PRODUCT_NAME: 'Locks and Keys' })
    const product = `"Locks" & 'Keys' &lt;b&gt; $& {x}`
    const odd = new Map(await emailsWith({ EMAIL_LANGUAGE: language, PRODUCT_NAME: product }))
    const tags = (html: string) =>
      [...html.matchAll(/<(\/?\w+)(?:\s+[\w-]+(?:="[^"<>]*")?)*\s*>/g)].map(([, tag]) => tag)
    for (const [kind, { html }] of plain) {
      const message = odd.get(kind)
      expect(tags(message?.html ?? ''), kind).toEqual(tags(html))
      expect(message?.html, kind).toContain(
        '&quot;Locks&quot; &amp; &#39;Keys&#39; &amp;lt;b&amp;gt; $&amp; {x}',
      )
      expect(message?.html, kind).not.toContain(`& '`)
      expect(message?.subject, kind).toContain(product)
      expect(message?.text, kind).toContain(product)
    }
  })

  test('[ASVS 1.3.11] a subject is one line of at most 78 characters, and no part has a carriage return', async () => {
    for (const product of ['Latchkey', 'app.latchkey.test', 'Riverside Library']) {
      for (const [kind, message] of await emailsWith({ EMAIL_LANGUAGE: language, PRODUCT_NAME: product })) {
        expect(message.subject, kind).toMatch(/^[^\p{Cc}\u2028\u2029]{1,78}$/u)
        expect(message.subject, kind).toContain(product)
        expect(`${message.text}${message.html}`, kind).not.toMatch(/[^\P{Cc}\n]/u)
      }
    }
  })

  test('a email that is made again is the same, byte for byte', async () => {
    const variables = { EMAIL_LANGUAGE: language, SUPPORT_ADDRESS: 'help@example.com' }
    const first = await emailsWith(variables)
    vi.useFakeTimers({ now: Date.now() + 20 * 60 * 60 * 1000 })
    const again = await emailsWith(variables)
    vi.useRealTimers()
    expect(again).toEqual(first)
  })
})

describe('the emails', () => {
  test('no sentence of a language is left in another one', async () => {
    const sentences = new Map<string, EmailLanguage>()
    for (const language of EMAIL_LANGUAGES) {
      const own = new Set<string>()
      for (const [, { subject, text }] of await emailsWith({ EMAIL_LANGUAGE: language })) {
        for (const line of [subject, ...text.split('\n')]) own.add(line)
      }
      for (const line of own) {
        if (!/\p{L}{2} \p{L}/u.test(line)) continue
        expect(sentences.get(line), line).toBeUndefined()
        sentences.set(line, language)
      }
    }
    expect(sentences.size).toBeGreaterThan(150)
  })

  test('the languages are the files of lib/languages', () => {
    const files = readdirSync(join(import.meta.dirname, 'languages'))
    expect(files.toSorted()).toEqual(EMAIL_LANGUAGES.map((code) => `${code}.ts`).toSorted())
  })

  test('without EMAIL_LANGUAGE they are in English', async () => {
    expect(await emailsWith({})).toEqual(await emailsWith({ EMAIL_LANGUAGE: 'en' }))
  })

  test('links lead to the pages of VERIFY_PATH and RESET_PATH, and the stop link to ours', async () => {
    const emails = await emailsWith({ VERIFY_PATH: '/welcome', RESET_PATH: '/account/new-password' })
    const addresses = emails.map(([kind, { text }]) => [kind, linkIn(text).split('#')[0]])
    expect(Object.fromEntries(addresses)).toMatchObject({
      'confirm-registration': `${ORIGIN}/welcome`,
      'confirm-email-change': `${ORIGIN}/welcome`,
      'reset-password': `${ORIGIN}/account/new-password`,
      'reset-required': `${ORIGIN}/account/new-password`,
      'email-change-requested': `${ORIGIN}/auth/cancel`,
    })
  })

  test('a email that needs a token is not made without one', async () => {
    const { composeMessage } = await import('./messages.ts')
    for (const kind of KINDS.filter((each) => LINKS[each] !== undefined)) {
      await expect(composeMessage(kind, null), kind).rejects.toThrow('this email needs a token')
    }
    for (const kind of KINDS.filter((each) => LINKS[each] === undefined)) {
      expect((await composeMessage(kind, null)).text, kind).not.toContain('#token=')
    }
  })
})
