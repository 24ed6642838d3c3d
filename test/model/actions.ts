/** What is done, as plain values: drawn at random, made smaller, and printed. And how it is done for real. */
import type { EndpointName } from '../support/browser.ts'
import { newBrowser, type Browser } from '../support/browser.ts'
import type { Observed, Rule } from './explain.ts'
import {
  changePassword,
  deleteAccount,
  listSessions,
  login,
  logout,
  read,
  refresh,
  requestEmailChange,
  reset,
  revokeSessions,
  verify,
  verifyElsewhere,
} from './rules.ts'
import {
  browserWith,
  browserWithForged,
  insertRegistration,
  newNetwork,
  observed,
  REGISTRATION_COOKIE,
  requestReset,
  shownBy,
  STRANGERS_USER_AGENT,
  type Actor,
  type Stage,
  type UserAgent,
} from './stage.ts'
import { accountOf, sessionOf, shownKey, type Shown, type World } from './world.ts'
import { newAddress } from '../support/people.ts'

export const PASSWORDS = [
  'violet teapots orbit the moon',
  'seven slow herons cross a weir',
  'the ladder hums in copper rain',
] as const
const WRONG_PASSWORD = 'nobody ever chose these words'

function passwordAfter(password: string, steps: number): string {
  const index = PASSWORDS.findIndex((one) => one === password)
  return PASSWORDS[(index + steps) % PASSWORDS.length] ?? PASSWORDS[0]
}

export type Which = 0 | 1 | 2
export const ACCOUNT_NAMES = ['Ada', 'Bob'] as const
export type AccountIndex = 0 | 1

/** Which token of a family a copy is, counted back from the current one. */
export const COPIES = ['current', 'before', 'older', 'first', 'not yet reached'] as const

export type Presenter =
  | { as: 'browser'; of: Which }
  /** `elsewhere`: in a stranger's browser, and not in one that looks like the actor's. */
  | { as: 'copy'; of: Which; copy: (typeof COPIES)[number]; elsewhere: boolean }
  | { as: 'bearer'; of: Which }

/** What takes nothing but somebody who asks. */
export type PlainAction =
  | 'read the account'
  | 'list the sessions'
  | 'revoke the other sessions'
  | 'request an email change'
  | 'delete the account'

export type Action =
  | { do: PlainAction; by: Presenter }
  /** `lost`: the response doesn't arrive. */
  | { do: 'refresh'; by: Presenter; lost: boolean }
  | { do: 'refresh forged'; of: Which }
  | { do: 'revoke the session'; by: Presenter; session: Which }
  | { do: 'logout'; by: Presenter; everywhere: boolean }
  | { do: 'change the password'; by: Presenter; right: boolean }
  /** In none of the browsers: on a new device. */
  | { do: 'login'; of: Which | undefined; account: AccountIndex; right: boolean; remember: boolean }
  | { do: 'reauthenticate'; by: Presenter; account: AccountIndex; right: boolean }
  /** By a link that was just emailed, or by the one before it again. */
  | { do: 'reset'; account: AccountIndex; again: boolean }
  | { do: 'verify'; of: Which | undefined; account: AccountIndex; remember: boolean; again: boolean }
  | { do: 'verify elsewhere'; account: AccountIndex; right: boolean; again: boolean }

function presenterText(presenter: Presenter): string {
  if (presenter.as === 'browser') return `browser ${presenter.of}`
  if (presenter.as === 'bearer') return `the access token of browser ${presenter.of}`
  const where = presenter.elsewhere ? ', elsewhere' : ''
  return `a copy of browser ${presenter.of}'s token (${presenter.copy}${where})`
}

export function actionText(action: Action): string {
  const wrongly = 'right' in action && !action.right ? ', wrong password' : ''
  const place = 'of' in action && action.of !== undefined ? `in browser ${action.of}` : 'on a new device'
  const name = 'account' in action ? ACCOUNT_NAMES[action.account] : ''
  const link = 'again' in action && action.again ? 'last' : 'new'
  const forgotten = 'remember' in action && !action.remember ? ', not remembered' : ''
  switch (action.do) {
    case 'refresh':
      return `refresh by ${presenterText(action.by)}${action.lost ? ', response lost' : ''}`
    case 'refresh forged':
      return `refresh by a forgery of browser ${action.of}'s token`
    case 'login':
      return `login as ${name} ${place}${forgotten}${wrongly}`
    case 'reauthenticate':
      return `reauthenticate as ${name} by ${presenterText(action.by)}${wrongly}`
    case 'logout':
      return `logout${action.everywhere ? ' everywhere' : ''} by ${presenterText(action.by)}`
    case 'reset':
      return `open ${name}'s ${link} reset link`
    case 'verify':
      return `open ${name}'s ${link} registration link ${place}, which registered${forgotten}`
    case 'verify elsewhere':
      return `open ${name}'s ${link} registration link elsewhere${wrongly}`
    case 'revoke the session':
      return `revoke the session of browser ${action.session} by ${presenterText(action.by)}`
    case 'read the account':
    case 'list the sessions':
    case 'revoke the other sessions':
    case 'request an email change':
    case 'delete the account':
    case 'change the password':
      return `${action.do} by ${presenterText(action.by)}${wrongly}`
  }
}

/** A browser about to send something. */
interface Sender {
  browser: Browser
  userAgent: UserAgent
  /** Undefined for a stranger's browser, whose cookies nobody asks for afterwards. */
  actor: Actor | undefined
  shown: Shown
  headers: Record<string, string>
}

export function senderOf(stage: Stage, by: Presenter): Sender {
  const actor = stage.actors[by.of]
  const { held, access, browser, userAgent } = actor
  if (by.as === 'copy' && held !== undefined) {
    const token = { key: held.key, counter: copiedCounter(stage.world, held.key, by.copy) }
    return {
      browser: browserWith(stage, token),
      userAgent: by.elsewhere ? STRANGERS_USER_AGENT : userAgent,
      actor: undefined,
      shown: { kind: 'refresh-token', token },
      headers: {},
    }
  }
  if (by.as === 'bearer' && access !== undefined) {
    const shown: Shown = { kind: 'access-token', key: access.key }
    return { ...newDevice(), shown, headers: { authorization: `Bearer ${access.text}` } }
  }
  return { browser, userAgent, actor, shown: shownBy(stage, browser), headers: {} }
}

function newDevice(): Sender {
  const shown: Shown = { kind: 'nothing' }
  return {
    browser: newBrowser(),
    userAgent: STRANGERS_USER_AGENT,
    actor: undefined,
    shown,
    headers: {},
  }
}

function copiedCounter(world: World, key: string, copy: (typeof COPIES)[number]): number {
  const current = sessionOf(world, key)?.counter ?? 0
  switch (copy) {
    case 'current':
      return current
    case 'before':
      return Math.max(0, current - 1)
    case 'older':
      return Math.max(0, current - 2)
    case 'first':
      return 0
    case 'not yet reached':
      return current + 1
  }
}

/** An action with its rule, ready to be sent at the same moment as others. */
export interface Ready {
  label: string
  rule: Rule
  actor: Actor | undefined
  shown: Shown
  /** True when it asks and never ends or replaces its own session. */
  keepsSession: boolean
  /** True when a hash comes first, so that the change itself is late. */
  hashes: boolean
  send: () => Promise<Observed>
}

const HASHING: ReadonlySet<Action['do']> = new Set([
  'login',
  'reauthenticate',
  'change the password',
  'reset',
  'verify elsewhere',
])

type Sending = [endpoint: EndpointName | `${EndpointName}?${string}`, method: string, body?: unknown]

/** Makes an action ready. `fresh` remembers the addresses that a link was just emailed to. */
export async function ready(stage: Stage, action: Action, fresh: Set<string>): Promise<Ready> {
  const email = 'account' in action ? (stage.world.accounts[action.account]?.email ?? '') : ''
  const sender = senderFor(stage, action)
  const { rule, sending, cookies } = await prepared(stage, { action, sender, email, fresh })
  const [endpoint, method, body] = sending
  const { browser, actor, shown, headers, userAgent } = sender
  // The cookies of now: what is sent a little later than others must not have learned from their responses.
  const cookie = [...browser.cookies, ...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  return {
    label: actionText(action),
    rule,
    actor,
    shown,
    keepsSession: action.do === 'refresh' || method === 'GET' || action.do === 'request an email change',
    hashes: HASHING.has(action.do),
    async send() {
      const response = await browser.send(endpoint, method, body, {
        'x-real-ip': newNetwork(),
        'user-agent': userAgent.header,
        cookie,
        ...headers,
      })
      const seen = observed(stage, response)
      if (actor !== undefined && seen.token !== undefined && typeof response.body?.accessToken === 'string') {
        actor.access = { key: seen.token.key, text: response.body.accessToken }
      }
      return seen
    },
  }
}

function senderFor(stage: Stage, action: Action): Sender {
  if (action.do === 'refresh forged') {
    const { held } = stage.actors[action.of]
    const browser =
      held === undefined ? newBrowser() : browserWithForged(stage, { key: held.key, counter: 0 })
    return { ...newDevice(), browser, shown: { kind: held === undefined ? 'nothing' : 'garbage' } }
  }
  if ('by' in action) {
    const sender = senderOf(stage, action.by)
    if (action.do !== 'refresh' || !action.lost || sender.actor === undefined) return sender
    // A browser with the same cookies, which keeps none of what it is sent.
    const browser = newBrowser()
    for (const [name, value] of sender.browser.cookies) browser.cookies.set(name, value)
    return { ...sender, browser, actor: undefined }
  }
  if ('of' in action && action.of !== undefined) return senderOf(stage, { as: 'browser', of: action.of })
  return newDevice()
}

interface Preparation {
  action: Action
  sender: Sender
  email: string
  fresh: Set<string>
}

interface Prepared {
  rule: Rule
  sending: Sending
  cookies: [string, string][]
}

async function prepared(stage: Stage, { action, sender, email, fresh }: Preparation): Promise<Prepared> {
  const { shown } = sender
  const { client } = sender.userAgent
  const only = (rule: Rule, ...sending: Sending): Prepared => ({ rule, sending, cookies: [] })
  switch (action.do) {
    case 'refresh':
    case 'refresh forged':
      return only(refresh(shown, client), 'refresh', 'POST', {})
    case 'read the account':
      return only(read(shown), 'account', 'GET')
    case 'list the sessions':
      return only(listSessions(shown), 'sessions', 'GET')
    case 'revoke the other sessions':
      return only(revokeSessions(shown, 'others'), 'sessions?others=true', 'DELETE')
    case 'revoke the session': {
      const sessionId = stage.actors[action.session].held?.sessionId ?? crypto.randomUUID()
      return only(revokeSessions(shown, { sessionId }), `sessions?id=${sessionId}`, 'DELETE')
    }
    case 'request an email change':
      return only(requestEmailChange(shown), 'account', 'PATCH', { email: newAddress() })
    case 'delete the account':
      return only(deleteAccount(shown), 'account', 'DELETE')
    case 'logout': {
      const { everywhere } = action
      // A bearer token is no cookie.
      const cookie: Shown = shown.kind === 'access-token' ? { kind: 'nothing' } : shown
      return only(logout(cookie, everywhere), 'logout', 'POST', { everywhere })
    }
    case 'change the password': {
      const known = knownPassword(stage.world, shown)
      const currentPassword = action.right ? known : WRONG_PASSWORD
      const newPassword = passwordAfter(known, 1)
      const rule = changePassword(shown, { currentPassword, newPassword, client })
      return only(rule, 'account', 'PATCH', { currentPassword, newPassword })
    }
    case 'login':
    case 'reauthenticate': {
      const password = action.right ? accountOf(stage.world, email).password : WRONG_PASSWORD
      const reauthenticate = action.do === 'reauthenticate'
      const remember = action.do === 'reauthenticate' || action.remember
      const rule = login({ email, password, remember, reauthenticate, presented: shown, client })
      return only(rule, 'login', 'POST', { email, password, remember, reauthenticate })
    }
    case 'reset': {
      const last = action.again || fresh.has(`reset ${email}`) ? stage.resetLinks.get(email) : undefined
      // Two who open a link at once open the same one: a second request would have ended the first.
      const { id, token } = last ?? (await requestReset(stage, email))
      fresh.add(`reset ${email}`)
      const password = passwordAfter(accountOf(stage.world, email).password, 2)
      return only(reset(email, id, password), 'reset', 'PUT', { token, password })
    }
    case 'verify':
    case 'verify elsewhere': {
      const last = action.again ? stage.registrationLinks.get(email) : undefined
      const registration = {
        password: passwordAfter(accountOf(stage.world, email).password, 1),
        persistent: action.do === 'verify elsewhere' || action.remember,
      }
      const link = last ?? (await insertRegistration(stage, email, registration))
      const { id: registrationId, token, persistent } = link
      if (action.do === 'verify') {
        const rule = verify({ email, registrationId }, { presented: shown, persistent, client })
        const cookies: [string, string][] = [[REGISTRATION_COOKIE, link.cookie]]
        return { rule, sending: ['verify', 'PUT', { token }], cookies }
      }
      const password = action.right ? link.password : WRONG_PASSWORD
      return only(verifyElsewhere({ email, registrationId }, password), 'verify', 'PUT', {
        token,
        password,
      })
    }
  }
}

/** Of the account that a request shows a session of. */
function knownPassword(world: World, shown: Shown): string {
  const owner = sessionOf(world, shownKey(shown) ?? '')?.owner ?? world.accounts[0]?.email ?? ''
  return accountOf(world, owner).password
}
