import { Resend } from 'resend'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startInbox, type Inbox } from './inbox.ts'

let inbox: Inbox
let resend: Resend

beforeAll(async () => {
  inbox = await startInbox({ port: 0 })
  resend = new Resend(inbox.apiKey, { baseUrl: inbox.url })
})
beforeEach(() => {
  inbox.fault = undefined
  inbox.clear()
})
afterAll(() => inbox.close())

const email = {
  from: 'Latchkey <login@latchkey.test>',
  to: 'ada@example.test',
  subject: 'Confirm your address',
  text: 'Open the link',
  html: '<p>Open the link</p>',
}

function send(idempotencyKey: string) {
  return resend.emails.send(email, { idempotencyKey })
}

describe('the inbox', () => {
  it('keeps what the SDK sends, newest last', async () => {
    const first = await send('a')
    await resend.emails.send({ ...email, subject: 'Second' })
    expect(first.error).toBeNull()
    const messages = await inbox.messages()
    expect(messages).toMatchObject([
      { id: first.data?.id, to: [email.to], subject: email.subject, text: email.text, html: email.html },
      { subject: 'Second' },
    ])
    expect(Date.now() - (messages[0]?.createdAt.getTime() ?? 0)).toBeLessThan(5_000)
  })

  it('takes one email for one idempotency key, however often it is sent', async () => {
    const responses = await Promise.all(['key', 'key', 'key'].map(send))
    expect(new Set(responses.map(({ data }) => data?.id)).size).toBe(1)
    expect(await inbox.messages()).toHaveLength(1)
  })

  it('refuses another email under a key that was used', async () => {
    await send('key')
    const other = await resend.emails.send({ ...email, subject: 'Other' }, { idempotencyKey: 'key' })
    expect(other.error).toMatchObject({ statusCode: 409, name: 'invalid_idempotent_request' })
  })

  it('shows a person the emails and each one of them', async () => {
    const { data } = await send('a')
    expect(await (await fetch(inbox.inboxUrl)).text()).toContain(email.subject)
    const page = await (await fetch(`${inbox.inboxUrl}/${data?.id}`)).text()
    expect(page).toContain('Open the link')
  })

  it('forgets email and keys when cleared', async () => {
    await send('a')
    inbox.clear()
    expect(await inbox.messages()).toEqual([])
    await send('a')
    expect(await inbox.messages()).toHaveLength(1)
  })

  it('lets no other site read the email', async () => {
    const response = await fetch(`${inbox.url}/emails`, { headers: { origin: 'https://elsewhere.test' } })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('a fault', () => {
  it('refuse takes nothing', async () => {
    inbox.fault = () => ({ kind: 'refuse' })
    expect((await send('a')).error).toMatchObject({ statusCode: null })
    expect(await inbox.messages()).toEqual([])
  })

  it('lose-answer takes the email all the same, and the repeat is no second one', async () => {
    inbox.fault = () => ({ kind: 'lose-answer' })
    expect((await send('a')).error).toMatchObject({ statusCode: null })
    inbox.fault = undefined
    expect((await send('a')).error).toBeNull()
    expect(await inbox.messages()).toHaveLength(1)
  })

  it.each([
    [422, 'validation_error'],
    [429, 'rate_limit_exceeded'],
    [500, 'application_error'],
  ])('status %i reads as Resend’s own error', async (code, name) => {
    inbox.fault = () => ({ kind: 'status', code })
    expect((await send('a')).error).toMatchObject({ statusCode: code, name })
    expect(await inbox.messages()).toEqual([])
  })

  it('delay answers that much later', async () => {
    inbox.fault = () => ({ kind: 'delay', milliseconds: 200 })
    const start = performance.now()
    expect((await send('a')).error).toBeNull()
    expect(performance.now() - start).toBeGreaterThanOrEqual(195)
  })

  it('hang never answers', async () => {
    inbox.fault = () => ({ kind: 'hang' })
    const response = fetch(`${inbox.url}/emails`, { method: 'POST', signal: AbortSignal.timeout(200) })
    await expect(response).rejects.toThrow('timeout')
    expect(await inbox.messages()).toEqual([])
  })
})
