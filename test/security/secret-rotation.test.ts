/** What an exchange of JWT_SECRET does to what was handed out before it, as docs/cryptography.md says. */
import { randomBytes } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import { afterAll, expect, test, vi } from 'vitest'
import { maximum } from '../../lib/limits.ts'
import { functionsOfNow, type Cookies } from '../support/own-functions.ts'
import { newAddress, newestEmailTo, OTHER_PASSWORD, PASSWORD, tokenIn } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

afterAll(() => {
  vi.unstubAllEnvs()
  vi.resetModules()
})

const newSecret = () => randomBytes(32).toString('base64')
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

type Deployment = Awaited<ReturnType<typeof deployment>>

/** The functions as a deployment with these secrets runs them: the modules are its own, the database is everyone's. */
function deployment(secrets: string) {
  vi.stubEnv('JWT_SECRET', secrets)
  return functionsOfNow(APP_ORIGIN)
}

async function registered(send: Deployment) {
  const [email, cookies]: [string, Cookies] = [newAddress(), new Map()]
  expect((await send(cookies, 'register', 'POST', { email, password: PASSWORD })).status).toBe(202)
  return { email, cookies, token: tokenIn(await newestEmailTo(email)) }
}

async function signedIn(send: Deployment) {
  const { email, cookies, token } = await registered(send)
  expect((await send(cookies, 'verify', 'PUT', { token })).status).toBe(200)
  const { status, body } = await send(cookies, 'login', 'POST', { email, password: PASSWORD })
  expect(status).toBe(200)
  return { email, cookies, accessToken: body.accessToken as string }
}

async function emailedReset(send: Deployment) {
  const { email } = await signedIn(send)
  expect((await send(new Map(), 'reset', 'POST', { email })).status).toBe(202)
  const message = await newestEmailTo(email)
  return { email, token: tokenIn(message), code: /(?<!\d)\d{3} \d{3}(?!\d)/.exec(message.text ?? '')?.[0] }
}

/** One of everything that is made under the secret. */
async function handOut(send: Deployment) {
  return {
    session: await signedIn(send),
    known: await signedIn(send),
    registration: await registered(send),
    resetLink: await emailedReset(send),
    resetCode: await emailedReset(send),
  }
}

type HandedOut = Awaited<ReturnType<typeof handOut>>

/** What each of them is answered. */
async function present(send: Deployment, { session, known, registration, resetLink, resetCode }: HandedOut) {
  const nobody: Cookies = new Map()
  // Strangers have used up the attempts at that account: a browser that is known is let in all the same.
  for (let attempt = 0; attempt < maximum.backOffFrom; attempt += 1) {
    await send(new Map(), 'login', 'POST', { email: known.email, password: 'not the right password' })
  }
  const { email, code } = resetCode
  const credentials = { email: known.email, password: PASSWORD }
  const { token } = registration
  return {
    accessToken: (await send(nobody, 'account', 'GET', undefined, bearer(session.accessToken))).status,
    sessionCookie: (await send(session.cookies, 'refresh', 'POST', {})).status,
    deviceCookie: (await send(known.cookies, 'login', 'POST', credentials)).status,
    registrationLinkAndCookie: (await send(registration.cookies, 'verify', 'PUT', { token })).status,
    resetLink: (await send(nobody, 'reset', 'PUT', { token: resetLink.token, password: OTHER_PASSWORD }))
      .status,
    resetCode: (await send(nobody, 'reset', 'PUT', { email, code, password: OTHER_PASSWORD })).status,
  }
}

test('[ASVS 11.2.2] [ASVS 11.1.1] what the old secret made is good while that is listed second, and a session is signed again for the time after', async () => {
  const [old, fresh] = [newSecret(), newSecret()]
  const before = await deployment(old)
  const things = await handOut(before)

  const published = await deployment(`${old},${fresh}`)
  const { keys } = (await published(new Map(), 'keys', 'GET')).body
  expect(keys).toHaveLength(2)
  const stillOld = decodeProtectedHeader((await signedIn(published)).accessToken)
  expect(stillOld.kid).toBe(decodeProtectedHeader(things.session.accessToken).kid)

  const rotated = await deployment(`${fresh},${old}`)
  expect(await present(rotated, things)).toEqual({
    accessToken: 200,
    sessionCookie: 200,
    deviceCookie: 200,
    registrationLinkAndCookie: 200,
    resetLink: 200,
    resetCode: 200,
  })
  const { body } = await rotated(things.session.cookies, 'refresh', 'POST', {})
  const { kid } = decodeProtectedHeader(body.accessToken)
  expect(keys.map((key: { kid: string }) => key.kid)).toEqual([stillOld.kid, kid])

  const finished = await deployment(fresh)
  expect((await finished(things.session.cookies, 'refresh', 'POST', {})).status).toBe(200)
  expect((await finished(new Map(), 'account', 'GET', undefined, bearer(body.accessToken))).status).toBe(200)
})

test("[ASVS 7.4.5] [ASVS 11.2.2] [ASVS 11.1.1] once it is gone nothing that it made is good: everyone's sessions have ended", async () => {
  const [old, fresh] = [newSecret(), newSecret()]
  const things = await handOut(await deployment(old))
  const late = await registered(await deployment(old))
  const finished = await deployment(fresh)

  expect(await present(finished, things)).toEqual({
    accessToken: 401,
    sessionCookie: 401,
    deviceCookie: 429,
    registrationLinkAndCookie: 400,
    resetLink: 400,
    resetCode: 400,
  })

  // A link mailed since then is good, but the cookie of the registration no longer proves who asked for it.
  expect((await finished(late.cookies, 'verify', 'POST', { email: late.email })).status).toBe(202)
  const token = tokenIn(await newestEmailTo(late.email))
  const reply = await finished(late.cookies, 'verify', 'PUT', { token })
  expect(reply.body.code).toBe('password-required')
  const { email } = things.session
  expect((await finished(new Map(), 'login', 'POST', { email, password: PASSWORD })).status).toBe(200)
})
