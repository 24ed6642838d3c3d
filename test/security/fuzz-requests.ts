/**
 * The fuzzer's requests. Most are a client's with one or two things broken; the others are attacks whose response is
 * known. None has a victim's credential where it would count.
 */
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import type { People, Victim } from './fuzz-people.ts'
import { PASSWORD } from '../support/people.ts'
import { APP_ORIGIN } from '../support/setup-environment.ts'

export interface FuzzRequest {
  kind: string
  method: string
  /** What follows `/api/auth/`. */
  path: string
  headers: [name: string, value: string][]
  body: Buffer | undefined
  chunked: boolean
  /** The status must be one of these, where that is known. */
  statuses?: readonly number[]
}

/** In every password that is sent, and looked for in responses and logs. */
export const PASSWORD_MARK = 'Fz9-never-seen'
/** Passes the policy, so it reaches the hash. */
const STRONG_PASSWORD = `${PASSWORD_MARK} violet teapots`

const MAX_BODY_BYTES = 16 * 1024

// --- Parts ---

const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'a\0b',
    '\r\nBcc: all@fuzz.example',
    '\u2028',
    '\u202e',
    '\ud800',
    '\udfff\ud800',
    '\ufeff',
    'ﷺ',
    'İ',
    '\u212A',
    '🏴‍☠️',
    'null',
    'undefined',
    '__proto__',
    'constructor',
    '[object Object]',
    "' OR 1=1; DROP TABLE users; --",
    '${7*7}{{7*7}}<%=7*7%>',
    '%00%0d%0aSet-Cookie:x=y',
    '../../../../etc/passwd',
    '<script>alert(1)</script>',
    'x'.repeat(9000),
    '\u0300'.repeat(5000),
  ),
)

/** JSON texts of values that no field takes, and some that are no JSON. */
const oddJson = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
  oddText.map((text) => JSON.stringify(text)),
  fc.integer({ min: 1, max: 7000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.integer({ min: 1, max: 2500 }).map((depth) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)),
  fc.constantFrom(
    'null',
    'true',
    '0',
    '-0',
    '1e999',
    '-1e-999',
    '9'.repeat(8000),
    '"\\ud800"',
    '"\\u0000"',
    '[[]]',
    '{}',
    '{"__proto__":{"role":"admin"}}',
    '{"toString":null}',
    'NaN',
    "'x'",
    '0x10',
    '{',
    '',
  ),
)

const oddKey = fc.constantFrom(
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'role',
  'emailVerified',
  'id',
  'userId',
  'Email',
  'password ',
  '',
  '\0',
  'a/b~c',
  '\ud800',
  '0',
  '$ne',
)

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((array) => Buffer.from(array).toString('hex'))
const freshAddress = hex(6).map((name) => `${name}@fuzz.example`)

const code = fc.integer({ min: 0, max: 999_999 }).map((number) => String(number).padStart(6, '0'))

const oddAddress = fc.oneof(
  freshAddress.chain((address) =>
    fc.constantFrom(
      ` ${address} `,
      address.toUpperCase(),
      address.replace('@', '+tag@'),
      address.replace('fuzz.example', 'müller.example'),
      address.replace('fuzz.example', '127.0.0.1'),
      address.replace('@', '\0@'),
      address.replace('@', '\u212A@'),
      `${address}\r\nBcc: x@fuzz.example`,
      `"${address}"`,
      `${address},x@fuzz.example`,
      `${'a'.repeat(64)}${address}`,
      `a@${'b.'.repeat(120)}example`,
    ),
  ),
  oddText,
)

const sourceIp = fc.oneof(
  { weight: 8, arbitrary: fc.ipV4() },
  { weight: 4, arbitrary: fc.ipV6() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'x',
      '::ffff:10.1.2.3',
      'fe80::1%eth0',
      '10.0.0.1, 10.0.0.2',
      '::',
      '0.0.0.0',
      '1'.repeat(5000),
    ),
  },
)

const bytesOf = (text: string) => Buffer.from(text, 'utf8')

function flipBit(bytes: Buffer, bit: number): Buffer {
  const place = Math.floor(bit / 8) % bytes.length
  const flipped = Buffer.from(bytes)
  flipped[place] = (flipped[place] ?? 0) ^ (1 << (bit % 8))
  return flipped
}

/** A signed token, changed so that no reading of it gives the token again. */
function tampered(tokens: readonly string[]): fc.Arbitrary<string> {
  const one = fc.constantFrom(...tokens)
  const place = fc.nat({ max: 60 })
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(one, fc.nat({ max: 540 }))
        .map(([token, bit]) => flipBit(Buffer.from(token, 'base64url'), bit).toString('base64url')),
    },
    fc
      .tuple(one, fc.nat({ max: 65 }))
      .map(([token, length]) => token.slice(0, Math.min(length, token.length - 4))),
    fc.tuple(one, one).map(([token, other]) => token + other),
    fc
      .tuple(one, place, fc.constantFrom('A', '-', '_', '%', '=', '.', '+'))
      .map(([token, at, character]) => token.slice(0, at) + character + token.slice(at)),
    // The middle of one and the rest of another, at places where the parts of a token meet.
    fc
      .tuple(fc.subarray([...tokens], { minLength: 2, maxLength: 2 }), fc.constantFrom(8, 16, 20, 27, 36, 48))
      .map(([[token = '', other = ''], at]) => {
        const [head, tail] = [Buffer.from(token, 'base64url'), Buffer.from(other, 'base64url')]
        return Buffer.concat([head.subarray(0, at), tail.subarray(at)]).toString('base64url')
      })
      .filter((mixed) => !tokens.includes(mixed)),
    one.map((token) => `${token}=`),
    one.map((token) => token.toLowerCase()),
    fc.uint8Array({ minLength: 52, maxLength: 68 }).map((array) => Buffer.from(array).toString('base64url')),
    fc.constant('A'.repeat(91)),
  )
}

/** An access token, changed so that no reading of it gives the token again. */
function tamperedJwt(tokens: readonly string[]): fc.Arbitrary<string> {
  const one = fc.constantFrom(...tokens)
  const partsOf = (token: string) => token.split('.') as [string, string, string]
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(one, fc.nat({ max: 2 }), fc.nat({ max: 4000 })).map(([token, index, bit]) => {
        const parts = partsOf(token)
        parts[index] = flipBit(Buffer.from(parts[index] ?? '', 'base64url'), bit).toString('base64url')
        return parts.join('.')
      }),
    },
    fc
      .tuple(one, fc.nat({ max: 300 }))
      .map(([token, length]) => token.slice(0, Math.min(length, token.length - 4))),
    fc.subarray([...tokens], { minLength: 2, maxLength: 2 }).map(([token = '', other = '']) => {
      const [header, payload] = partsOf(token)
      return `${header}.${payload}.${partsOf(other)[2]}`
    }),
    fc.tuple(one, fc.constantFrom('none', 'HS256', 'RS256', 'es256')).map(([token, alg]) => {
      const [, payload, signature] = partsOf(token)
      const header = bytesOf(JSON.stringify({ alg, typ: 'at+jwt' })).toString('base64url')
      return `${header}.${payload}.${alg === 'none' ? '' : signature}`
    }),
    one.map((token) => `${token}.AAAA`),
    one.map((token) => `${token}, Bearer ${token}`),
  )
}

// --- What a client sends ---

type Fields = [key: string, json: string][]

interface Draft {
  name: string
  method: string
  fields: Fields | undefined
}

const quoted = (text: fc.Arbitrary<string>) => text.map((value) => JSON.stringify(value))

function drafts({ named }: People, oneTimeTokens: fc.Arbitrary<string>): fc.Arbitrary<Draft> {
  const knownAddress = fc.constantFrom(
    ...[...named.accounts, ...named.registrations].map(({ email }) => email),
  )
  const address = quoted(
    fc.oneof(
      { weight: 6, arbitrary: freshAddress },
      { weight: 2, arbitrary: knownAddress },
      { weight: 4, arbitrary: oddAddress },
    ),
  )
  const token = quoted(fc.oneof({ weight: 6, arbitrary: oneTimeTokens }, oddText))
  // Too short for the policy: few may reach the hash, or there would be time for nothing else.
  const weak = quoted(
    fc.oneof(
      {
        weight: 20,
        arbitrary: fc.constantFrom(PASSWORD_MARK, `${PASSWORD_MARK}\0`, PASSWORD_MARK.repeat(40)),
      },
      { weight: 4, arbitrary: fc.constant(STRONG_PASSWORD) },
    ),
  )
  const checked = quoted(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(`${PASSWORD_MARK}\0`, PASSWORD_MARK.repeat(20), `${PASSWORD_MARK}\ud800`),
      },
      { weight: 4, arbitrary: fc.constantFrom(STRONG_PASSWORD, PASSWORD_MARK) },
    ),
  )
  const flag = fc.constantFrom('true', 'false', '1', 'null')
  const route = (
    weight: number,
    name: string,
    method: string,
    fields?: Record<string, fc.Arbitrary<string>>,
  ) => ({
    weight,
    arbitrary: (fields === undefined
      ? fc.constant(undefined)
      : fc.record(fields).map((values): Fields => Object.entries(values))
    ).map((made): Draft => ({ name, method, fields: made })),
  })
  return fc.oneof(
    route(6, 'register', 'POST', { email: address, password: weak }),
    route(2, 'register', 'POST', { email: address, password: weak, remember: flag }),
    route(4, 'verify', 'POST', { email: address }),
    route(4, 'verify', 'PUT', { token }),
    route(2, 'verify', 'PUT', { token, password: weak }),
    route(2, 'verify', 'PUT', { cancel: token }),
    route(2, 'verify', 'PUT', { email: address, code: quoted(code) }),
    route(8, 'login', 'POST', { email: address, password: checked }),
    route(3, 'login', 'POST', { email: address, password: checked, remember: flag, reauthenticate: flag }),
    route(6, 'refresh', 'POST', {}),
    route(3, 'logout', 'POST', {}),
    route(2, 'logout', 'POST', { everywhere: flag }),
    route(4, 'reset', 'POST', { email: address }),
    route(4, 'reset', 'PUT', { token, password: weak }),
    route(2, 'reset', 'PUT', { email: address, code: quoted(code), password: weak }),
    route(4, 'account', 'GET'),
    route(3, 'account', 'PATCH', { currentPassword: checked, newPassword: weak }),
    route(3, 'account', 'PATCH', { email: address }),
    route(3, 'account', 'DELETE'),
    route(3, 'sessions', 'GET'),
    route(3, 'sessions', 'DELETE'),
    route(1, 'keys', 'GET'),
    route(3, 'maintenance', 'GET'),
  )
}

function textOf(fields: Fields): string {
  return `{${fields.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`
}

// --- What is broken in it ---

type Break = (request: FuzzRequest, draft: Draft) => FuzzRequest

const withHeader = (name: string, value: string): Break => {
  return (request) => ({ ...request, headers: [...request.headers, [name, value]] })
}
const replacingHeader = (name: string, ...values: string[]): Break => {
  return (request) => ({
    ...request,
    headers: [
      ...request.headers.filter(([other]) => other !== name),
      ...values.map((value): [string, string] => [name, value]),
    ],
  })
}
const withText = (change: (draft: Draft) => string): Break => {
  return (request, draft) => ({ ...request, body: bytesOf(change(draft)) })
}

/** What an HTTP client lets through in a header's value. */
const headerText = fc
  .string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((byte) => byte !== 0x7f)
      .map((byte) => String.fromCharCode(byte)),
    maxLength: 40,
  })
  .map((text) => text.trim())

function breaks(sessionCookies: fc.Arbitrary<string>): fc.Arbitrary<Break> {
  const spoiledFields = fc
    .tuple(fc.nat({ max: 3 }), oddJson)
    .map(([index, json]): Break =>
      withText(({ fields = [] }) =>
        textOf(fields.map(([key, old], place) => [key, place === index % fields.length ? json : old])),
      ),
    )
  return fc.oneof(
    { weight: 5, arbitrary: spoiledFields },
    fc
      .nat({ max: 3 })
      .map((index) => withText(({ fields = [] }) => textOf(fields.filter((_, place) => place !== index)))),
    fc
      .tuple(oddKey, oddJson)
      .map(([key, json]) => withText(({ fields = [] }) => textOf([...fields, [key, json]]))),
    // A key twice.
    fc.tuple(fc.nat({ max: 3 }), oddJson, fc.boolean()).map(([index, json, first]) =>
      withText(({ fields = [] }) => {
        const [key] = fields[index % Math.max(1, fields.length)] ?? ['x']
        return textOf(first ? [[key, json], ...fields] : [...fields, [key, json]])
      }),
    ),
    oddJson.map((json) => withText(() => json)),
    // To the byte around the limit, in white space or in a value.
    fc.tuple(fc.constantFrom(-1, 0, 1, 2, 4096), fc.boolean()).map(([over, inside]) =>
      withText(({ fields = [] }) => {
        const length = MAX_BODY_BYTES + over
        if (!inside) return textOf(fields).padEnd(length)
        const bare = textOf([...fields, ['pad', '""']])
        return textOf([...fields, ['pad', `"${'é'.repeat(Math.floor((length - bare.length) / 2))}"`]])
      }),
    ),
    fc.tuple(fc.nat({ max: 200 }), fc.nat({ max: 255 })).map(([at, byte]): Break => (request) => {
      if (request.body === undefined || request.body.length === 0) return request
      const body = Buffer.from(request.body)
      body[at % body.length] = byte
      return { ...request, body }
    }),
    fc.nat({ max: 200 }).map((length): Break => (request) => ({
      ...request,
      body: request.body?.subarray(0, length),
    })),
    fc.constantFrom<Break>(
      (request) => ({ ...request, body: undefined }),
      (request) => ({ ...request, body: Buffer.alloc(0) }),
      (request) => ({ ...request, body: request.body && Buffer.concat([request.body, request.body]) }),
      (request) => ({ ...request, body: request.body && Buffer.concat([bytesOf('\ufeff'), request.body]) }),
      (request) => ({ ...request, body: Buffer.from(request.body?.toString() ?? '', 'utf16le') }),
      (request) => ({ ...request, body: Buffer.alloc(100_000, '{"a":') }),
      (request) => ({ ...request, chunked: true }),
      (request) => ({ ...request, body: bytesOf('{}') }),
      (request, draft) =>
        withHeader('content-encoding', 'gzip')(
          { ...request, body: request.body && gzipSync(request.body) },
          draft,
        ),
    ),
    fc
      .constantFrom(
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/json; charset=utf-16',
        'application/jsonp',
        'application/json-patch+json',
        'APPLICATION/JSON ; x="',
        'text/plain, application/json',
        ';',
        '',
      )
      .map((type) => replacingHeader('content-type', type)),
    fc.constant(replacingHeader('content-type')),
    fc
      .constantFrom(
        'GET',
        'HEAD',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'TRACE',
        'QUERY',
        'PROPFIND',
        'MKCOL',
        'LOCK',
        'PURGE',
        'M-SEARCH',
        'SEARCH',
      )
      .map((method): Break => (request) => ({ ...request, method })),
    fc
      .constantFrom(
        'null',
        'https://evil.example',
        `${APP_ORIGIN}.evil.example`,
        `${APP_ORIGIN}/`,
        'http://app.latchkey.test',
        'https://APP.latchkey.test',
        '*',
        '',
      )
      .map((origin) => replacingHeader('origin', origin)),
    fc
      .constantFrom('cross-site', 'same-site', 'none', 'SAME-ORIGIN', '', 'x')
      .map((site) => replacingHeader('sec-fetch-site', site)),
    fc
      .tuple(
        fc.constantFrom(
          'accept',
          'user-agent',
          'x-vercel-id',
          'x-forwarded-for',
          'accept-language',
          'referer',
          'if-none-match',
          'range',
          'forwarded',
          'traceparent',
        ),
        headerText,
      )
      .map(([name, value]) => replacingHeader(name, value)),
    fc
      .constantFrom<[string, string]>(
        ['x-http-method-override', 'DELETE'],
        ['x-method-override', 'PATCH'],
        ['x-forwarded-host', 'evil.example'],
        ['x-original-url', '/api/auth/maintenance'],
        ['x-middleware-subrequest', 'middleware'],
        ['x-vercel-cron', '1'],
        ['x-user-id', '1'],
        ['user-agent', 'vercel-cron/1.0'],
        ['user-agent', 'x'.repeat(8000)],
        ['accept', 'text/html'],
        ['sec-fetch-dest', 'document'],
        ['connection', 'close'],
      )
      .map(([name, value]) => withHeader(name, value)),
    // Cookies: huge, many, twice, spoiled.
    fc
      .oneof(
        sessionCookies.map((value) => `__Host-session=${value}; __Host-session=${value}x; __Host-session=`),
        sessionCookies.map((value) => `__Host-registration=${value}`),
        sessionCookies.map((value) => `a=${'A'.repeat(10_000)}; __Host-session=${value}`),
        fc.constant(`__Host-session=${'A'.repeat(10_240)}`),
        fc.constant(Array.from({ length: 400 }, (_, index) => `c${index}=${index}`).join('; ')),
        fc.constantFrom(
          '__proto__=x; constructor=y',
          '=',
          ';;;;',
          '__Host-session',
          '__Host-session=%E0%A4%A',
          '__Host-session="',
          'signed-in=1',
          '__Host-session=a%00b',
          '__Host-session=%0d%0aSet-Cookie:x',
        ),
        headerText.map((text) => `__Host-session=${text}; ${text}`),
      )
      .map((cookie) => withHeader('cookie', cookie)),
    fc
      .oneof(
        headerText,
        fc.constantFrom(
          'Bearer',
          'Bearer ',
          'Basic Og==',
          'Bearer null',
          `Bearer ${'.'.repeat(5000)}`,
          'Digest x',
        ),
      )
      .map((value) => replacingHeader('authorization', value)),
    sourceIp.map((ip) => replacingHeader('x-real-ip', ip)),
    // Queries.
    fc
      .array(
        fc.tuple(
          fc.oneof(
            oddKey,
            fc.constantFrom('id', 'others', 'token', 'email', 'callback', 'next', 'redirect', '_method'),
          ),
          fc.oneof(
            oddText.filter((text) => text.length < 1000),
            fc.uuid(),
            fc.constant('true'),
          ),
        ),
        { minLength: 1, maxLength: 4 },
      )
      .map((pairs): Break => (request) => ({
        ...request,
        path: `${request.path}?${pairs.map(([key, value]) => `${escaped(key)}=${escaped(value)}`).join('&')}`,
      })),
    fc
      .constantFrom(
        '?',
        '?%',
        '?%00',
        '?id[]=1',
        '?id=%ff',
        '?&&&',
        '?=',
        '?others=true&others=true',
        '?id=1&id=2',
      )
      .map((query): Break => (request) => ({ ...request, path: request.path + query })),
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('/', '//', '/x', '.json', '%2f', ';x=y', '%00', '/../login', '%0d%0a')
        .map((suffix): Break => (request) => ({ ...request, path: request.path + suffix })),
    },
  )
}

/** Broken surrogates have no encoding in an address. */
const escaped = (text: string) => encodeURIComponent(text.toWellFormed())

// --- Attacks with a known response ---

interface Prey {
  people: People
  oneTimeTokens: fc.Arbitrary<string>
  sessionCookies: fc.Arbitrary<string>
  accessTokens: fc.Arbitrary<string>
}

const asJson: [string, string] = ['content-type', 'application/json']
const cookieOf = (value: string): [string, string] => ['cookie', `__Host-session=${value}`]
const bearerOf = (value: string): [string, string] => ['authorization', `Bearer ${value}`]

function attack(
  kind: string,
  statuses: readonly number[],
  made: { method: string; path: string; headers?: [string, string][]; body?: string },
): FuzzRequest {
  const { method, path, headers = [], body } = made
  return {
    kind,
    method,
    path,
    headers,
    body: body === undefined ? undefined : bytesOf(body),
    chunked: false,
    statuses,
  }
}

const UNSAFE: [path: string, method: string, body: object | undefined][] = [
  ['logout', 'POST', {}],
  ['logout', 'POST', { everywhere: true }],
  ['refresh', 'POST', {}],
  ['sessions?others=true', 'DELETE', undefined],
  ['account', 'PATCH', { currentPassword: PASSWORD, newPassword: STRONG_PASSWORD }],
  ['account', 'PATCH', { email: 'someone@fuzz.example' }],
  ['account', 'DELETE', undefined],
]

const freshEmail = 'nobody@fuzz.example'

function attacks({ people, oneTimeTokens, sessionCookies, accessTokens }: Prey): fc.Arbitrary<FuzzRequest> {
  const { unnamed, named, own } = people
  const victims = [...unnamed.accounts, ...named.accounts]
  const pending = [...unnamed.registrations, ...named.registrations]
  const victim = fc.constantFrom(...victims)
  const wholeCookie = victim.map(({ sessions }) => sessions[0]?.cookie ?? '')
  const wholeMailToken = fc.oneof(
    victim.map(({ resetToken }) => resetToken),
    victim.map(({ emailChangeToken }) => emailChangeToken),
    fc.constantFrom(...pending.map(({ token }) => token)),
  )
  const unsafe = fc.constantFrom(...UNSAFE)
  const json = (body: object | undefined) => (body === undefined ? {} : { body: JSON.stringify(body) })
  const put = (
    path: string,
    body: object,
  ): { method: string; path: string; headers: [string, string][]; body: string } => ({
    method: 'PUT',
    path,
    headers: [asJson],
    body: JSON.stringify(body),
  })

  return fc.oneof(
    // A victim's whole credential, sent by a page of another site (CSRF).
    fc
      .tuple(
        unsafe,
        victim,
        fc.boolean(),
        fc.constantFrom<[string, string]>(
          ['sec-fetch-site', 'cross-site'],
          ['sec-fetch-site', 'same-site'],
          ['origin', 'https://evil.example'],
          ['origin', 'null'],
        ),
      )
      .map(([[path, method, body], { sessions, accessToken }, byCookie, foreign]) =>
        attack('cross-site', [403], {
          method,
          path,
          headers: [asJson, foreign, byCookie ? cookieOf(sessions[0]?.cookie ?? '') : bearerOf(accessToken)],
          ...json(body),
        }),
      ),
    // The same by a form, which can send no other content type.
    fc
      .tuple(
        fc.constantFrom(...UNSAFE.filter(([, , body]) => body !== undefined)),
        wholeCookie,
        fc.constantFrom('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'),
      )
      .map(([[path, method, body], cookie, type]) =>
        attack('form', [415], {
          method,
          path,
          headers: [['content-type', type], cookieOf(cookie)],
          ...json(body),
        }),
      ),
    // By a method that is not served, or one that changes nothing.
    fc
      .tuple(
        fc.constantFrom('logout', 'refresh', 'login', 'register', 'reset', 'verify'),
        fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'QUERY', 'DELETE', 'PATCH', 'PROPFIND'),
        wholeCookie,
        wholeMailToken,
      )
      .map(([path, method, cookie, token]) =>
        attack('other method', [405], {
          method,
          path: `${path}?token=${token}&everywhere=true`,
          headers: [cookieOf(cookie)],
        }),
      ),
    // Too large, by one byte or by many, whatever else it has.
    fc
      .tuple(
        fc.constantFrom(...UNSAFE.filter(([, , body]) => body !== undefined)),
        wholeCookie,
        fc.constantFrom(1, 2, 1000, 100_000),
        fc.boolean(),
      )
      .map(([[path, method, body], cookie, over, chunked]) => ({
        ...attack('too large', [413], {
          method,
          path,
          headers: [asJson, cookieOf(cookie)],
          body: JSON.stringify(body).padEnd(MAX_BODY_BYTES + over),
        }),
        chunked,
      })),
    // Just as large as it may be.
    fc.tuple(sessionCookies, fc.constantFrom(0, 1)).map(([cookie, under]) =>
      attack('largest', [401], {
        method: 'POST',
        path: 'refresh',
        headers: [asJson, cookieOf(encodeURIComponent(cookie))],
        body: '{}'.padEnd(MAX_BODY_BYTES - under),
      }),
    ),
    // Tampered credentials.
    fc
      .tuple(
        sessionCookies,
        fc.constantFrom(
          ['account', 'GET'],
          ['sessions', 'GET'],
          ['refresh', 'POST'],
          ['sessions?others=true', 'DELETE'],
        ),
      )
      .map(([cookie, [path = '', method = '']]) =>
        attack('tampered cookie', [401], {
          method,
          path,
          headers: [asJson, cookieOf(encodeURIComponent(cookie))],
          ...(method === 'POST' && { body: '{}' }),
        }),
      ),
    sessionCookies.map((cookie) =>
      attack('tampered logout', [204], {
        method: 'POST',
        path: 'logout',
        headers: [asJson, cookieOf(encodeURIComponent(cookie))],
        body: '{"everywhere":true}',
      }),
    ),
    fc
      .tuple(
        accessTokens,
        fc.constantFrom(
          'GET account',
          'GET sessions',
          'DELETE sessions?others=true',
          'PATCH account',
          'DELETE account',
          'GET maintenance',
        ),
      )
      .map(([token, target]) => {
        const [method = '', path = ''] = target.split(' ')
        const body = { currentPassword: PASSWORD, newPassword: STRONG_PASSWORD }
        return attack('tampered bearer', [401], {
          method,
          path,
          headers: [asJson, bearerOf(token)],
          ...(method === 'PATCH' && json(body)),
        })
      }),
    oneTimeTokens.map((token) =>
      attack('tampered link', [400, 422], put('verify', { token, password: PASSWORD })),
    ),
    oneTimeTokens.map((cancel) => attack('tampered cancel', [400, 422], put('verify', { cancel }))),
    oneTimeTokens.map((token) =>
      attack('tampered reset', [400, 422], put('reset', { token, password: STRONG_PASSWORD })),
    ),
    // Whole credentials in each other's place.
    fc
      .tuple(victim, fc.constantFrom(...pending))
      .chain(([{ sessions, accessToken, resetToken, emailChangeToken }, { token, cookie }]) =>
        fc.constantFrom(
          attack('misplaced', [400], put('verify', { token: resetToken })),
          attack('misplaced', [400], put('verify', { cancel: emailChangeToken })),
          attack('misplaced', [400], put('verify', { cancel: token })),
          attack('misplaced', [400], put('verify', { token: cookie })),
          attack('misplaced', [400], put('verify', { token: sessions[0]?.cookie })),
          attack('misplaced', [400], put('reset', { token: emailChangeToken, password: STRONG_PASSWORD })),
          attack('misplaced', [400], put('reset', { token, password: STRONG_PASSWORD })),
          // Longer than any one-time token.
          attack('misplaced', [422], put('reset', { token: accessToken, password: STRONG_PASSWORD })),
          attack('misplaced', [422], put(`reset?token=${resetToken}`, { password: STRONG_PASSWORD })),
          attack('misplaced', [422], put(`verify?token=${token}`, {})),
          attack('misplaced', [401], {
            method: 'GET',
            path: 'account',
            headers: [bearerOf(sessions[0]?.cookie ?? '')],
          }),
          attack('misplaced', [401], { method: 'GET', path: 'account', headers: [bearerOf(resetToken)] }),
          attack('misplaced', [401], { method: 'GET', path: 'account', headers: [cookieOf(accessToken)] }),
          attack('misplaced', [401], { method: 'GET', path: `account?access_token=${accessToken}` }),
          attack('misplaced', [401], {
            method: 'GET',
            path: 'account',
            headers: [
              [
                'cookie',
                `session=${sessions[0]?.cookie}; __host-session=${sessions[0]?.cookie}; __Secure-session=${sessions[0]?.cookie}`,
              ],
            ],
          }),
          attack('misplaced', [401], {
            method: 'POST',
            path: 'refresh',
            headers: [asJson, ['cookie', `__Host-registration=${sessions[0]?.cookie}`]],
            body: '{}',
          }),
          attack('misplaced', [401], {
            method: 'POST',
            path: 'refresh',
            headers: [asJson, cookieOf(emailChangeToken)],
            body: '{}',
          }),
          attack('misplaced', [422], {
            method: 'POST',
            path: 'refresh',
            headers: [asJson],
            body: JSON.stringify({ refreshToken: sessions[0]?.cookie }),
          }),
          attack('misplaced', [401], {
            method: 'GET',
            path: 'maintenance',
            headers: [bearerOf(accessToken)],
          }),
        ),
      ),
    // A link, in a browser that neither registered nor is signed in: the password is missing. It may be tried 30 times.
    fc
      .oneof(
        victim.map(({ emailChangeToken }) => emailChangeToken),
        fc.constantFrom(...pending.map(({ token }) => token)),
      )
      .map((token) => attack('without the password', [403, 429], put('verify', { token }))),
    // The fuzzer's own account, against others' things.
    victim.chain(({ sessions }) =>
      fc.constantFrom(
        attack('not mine', [404], {
          method: 'DELETE',
          path: `sessions?id=${sessions[0]?.id}`,
          headers: [bearerOf(own.accessToken)],
        }),
        attack('not mine', [404], {
          method: 'DELETE',
          path: `sessions?id=${sessions[1]?.id}`,
          headers: [cookieOf(own.sessions[1]?.cookie ?? '')],
        }),
        attack('not mine', [403, 429], {
          ...put('verify', { token: unnamed.accounts[0]?.emailChangeToken }),
          headers: [asJson, bearerOf(own.accessToken)],
        }),
        attack('not mine', [200], { method: 'GET', path: 'sessions', headers: [bearerOf(own.accessToken)] }),
      ),
    ),
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        // The wrong password, and the right one: what comes of it belongs in the body and the cookie and nowhere else.
        attack('own account', [401, 429], {
          method: 'PATCH',
          path: 'account',
          headers: [asJson, bearerOf(own.accessToken)],
          body: JSON.stringify({ currentPassword: STRONG_PASSWORD, newPassword: PASSWORD }),
        }),
        // Its session is no way to another account, nor one without a session a way to re-authenticate.
        attack('own account', [401, 429], {
          method: 'POST',
          path: 'login',
          headers: [asJson, cookieOf(own.sessions[1]?.cookie ?? '')],
          body: JSON.stringify({ email: freshEmail, password: PASSWORD, reauthenticate: true }),
        }),
        attack('own account', [401], {
          method: 'POST',
          path: 'login',
          headers: [asJson],
          body: JSON.stringify({ email: own.email, password: PASSWORD, reauthenticate: true }),
        }),
        attack('own account', [200, 429], {
          method: 'POST',
          path: 'login',
          headers: [asJson],
          body: JSON.stringify({ email: own.email, password: PASSWORD }),
        }),
      ),
    },
  )
}

// --- All of them ---

export function fuzzRequests(people: People): fc.Arbitrary<FuzzRequest> {
  const victims: Victim[] = [...people.unnamed.accounts, ...people.named.accounts]
  const registrations = [...people.unnamed.registrations, ...people.named.registrations]
  const oneTimeTokens = tampered([
    ...victims.flatMap(({ resetToken, emailChangeToken }) => [resetToken, emailChangeToken]),
    ...registrations.map(({ token }) => token),
  ])
  const sessionCookies = tampered([
    ...victims.flatMap(({ sessions }) => sessions.map(({ cookie }) => cookie)),
    ...registrations.map(({ cookie }) => cookie),
  ])
  const accessTokens = tamperedJwt(victims.map(({ accessToken }) => accessToken))

  const credentials = fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: sessionCookies.map((value) => [cookieOf(encodeURIComponent(value))]) },
    { weight: 2, arbitrary: accessTokens.map((value) => [bearerOf(value)]) },
  )
  const fromPage: [string, string][] = [
    ['origin', APP_ORIGIN],
    ['sec-fetch-site', 'same-origin'],
  ]
  const broken = fc
    .tuple(
      drafts(people, oneTimeTokens),
      credentials,
      fc.array(breaks(sessionCookies), { minLength: 1, maxLength: 3 }),
    )
    .map(([draft, credential, changes]) => {
      const { name, method, fields } = draft
      const whole: FuzzRequest = {
        kind: `${method} ${name}`,
        method,
        path: name,
        headers: [...fromPage, ...(fields ? [asJson] : []), ...credential],
        body: fields && bytesOf(textOf(fields)),
        chunked: false,
      }
      return changes.reduce((request, change) => change(request, draft), whole)
    })

  return fc
    .tuple(
      fc.oneof(
        { weight: 3, arbitrary: broken },
        { weight: 1, arbitrary: attacks({ people, oneTimeTokens, sessionCookies, accessTokens }) },
      ),
      sourceIp,
    )
    .map(([request, ip]) =>
      request.headers.some(([name]) => name === 'x-real-ip')
        ? request
        : { ...request, headers: [...request.headers, ['x-real-ip', ip]] },
    )
}
