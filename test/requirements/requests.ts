import type { Chapter } from './requirement.ts'

export const requests: readonly Chapter[] = [
  {
    title: 'Input and business logic',
    requirements: [
      {
        ids: ['ASVS 2.1.1'],
        level: 'L1',
        demands: 'A written rule for each input',
        measure:
          'public/openapi.json has one for every field and query, made from the schemas that the endpoints use. A test takes the numbers from there and tries each at its edge: 254 characters of an address, 15 to 128 of a password, 16384 bytes of a body. Cookies and headers are tried the same way.',
      },
      {
        ids: ['ASVS 2.1.2', 'ASVS 2.2.3'],
        level: 'L2',
        demands: 'Written rules between inputs, enforced',
        measure:
          'Nine, each with its refusal: a new password is not the current one nor made of the person’s own address, a token serves its one purpose, a code belongs to its address, the current password belongs to a change of the password. A reset by link knows the account only once its token is consumed, so the person’s address isn’t looked for there.',
      },
      {
        ids: ['ASVS 2.1.3', 'ASVS 2.3.2'],
        level: 'L2',
        demands: 'Limits for one user and for all, written and enforced',
        measure:
          'lib/limits.ts has every limit, and the engine’s functions are made from it; docs/limits.md explains them. 50 sessions an account, 2 hashes at once and 20 waiting an instance, 16 KB a body; tests go past each. Nothing is counted over all sources together: that would let a stranger close the app for everybody.',
      },
      {
        ids: ['ASVS 2.2.1'],
        level: 'L1',
        demands: 'Every input is matched to a shape that is expected',
        measure:
          'Strict schemas: an unknown key, another type, a list for a text, NUL or a name given twice is a 4xx with a JSON Pointer. Cookies are signed, and anything else in them counts as none, 10 KB too. The few headers that are read are truncated or ignored where they don’t fit.',
      },
      {
        ids: ['ASVS 2.2.2'],
        level: 'L1',
        demands: 'The server checks for itself',
        measure:
          'Every endpoint matches the raw body to its schema before it does anything; what a page checked counts for nothing.',
      },
      {
        ids: ['ASVS 2.3.1'],
        level: 'L1',
        demands: 'Steps in their order, none left out',
        measure:
          'register writes a registration and no account. Until its token is consumed a login opens no session, a reset sends nothing, and a token of one purpose is worth nothing for another.',
      },
      {
        ids: ['CS Email Validation proof'],
        demands: 'No use of an account before its address is verified',
        measure:
          'There is no account before: consuming the emailed token creates it. The password of a pending registration gets 403 email-unverified and no session.',
      },
      {
        ids: ['ASVS 2.3.3'],
        level: 'L2',
        demands: 'Several writes happen together or not at all',
        measure:
          'Each operation is one function in the database, and so one transaction. When the event of a reset can’t be written, the password stays, the sessions go on and the link still works.',
      },
      {
        ids: ['ASVS 2.3.4'],
        level: 'L2',
        demands: 'Nothing scarce is taken twice by racing',
        measure:
          'A row lock decides who consumes a token: of 20 that present one link at once exactly one succeeds, for a registration and for a reset.',
      },
      {
        ids: ['ASVS 2.4.2'],
        level: 'L3',
        demands: 'Repeats faster than a person would make are refused',
        measure:
          'An address gets at most 5 emails an hour and a source may request 30; the sixth request gets the same response and sends nothing. After the tenth wrong password in a row the next attempt waits.',
        deviation:
          'There is no minimum time between two requests: five for one address may follow at once, and each sends an email. Somebody who asks again because the first one is slow gets it at once; the hourly limit bounds what a program gains by it.',
      },
      {
        ids: ['CS Email Validation form', 'CS Input Validation email'],
        demands: 'One form in which addresses are compared, lengths, a light check of the syntax',
        measure:
          'Lower case, the domain in punycode, what is before the @ otherwise as it is: three spellings reach one account in register, login and reset, and email goes to the one that was typed. At most 254 characters, 63 before the @; a+b@x.co is accepted.',
      },
      {
        ids: ['CS REST Security'],
        demands: 'Bodies of a bounded size and of the expected type',
        measure:
          'More than 16 KB is 413 before any database call, also where no length or a false one is stated. Anything but application/json is 415, a missing type too.',
      },
    ],
  },
  {
    title: 'Cookies',
    requirements: [
      {
        ids: ['ASVS 3.3.1'],
        level: 'L1',
        demands: 'Secure, and a name with __Host- or __Secure-',
        measure:
          'One definition writes every Set-Cookie: Secure, Path=/, no Domain, __Host- names. Clearing repeats the attributes with Max-Age=0.',
        deviation:
          'signed-in=1, which pages read to know that there may be a session to refresh, has the attributes but not the name. It opens nothing; planting it causes one refresh that is refused.',
      },
      {
        ids: ['ASVS 3.3.3'],
        level: 'L2',
        demands: '__Host- names',
        measure: '__Host-session, __Host-registration and __Host-device.',
        deviation: 'signed-in, as above.',
      },
      {
        ids: ['6265bis 4.1.3.2'],
        demands: '__Host- cookies have Secure, Path=/ and no Domain, when they are cleared as well',
        measure:
          'They have, in every response that sets or clears one; set and clear share a definition, which a test compares attribute by attribute.',
      },
      {
        ids: ['ASVS 3.3.2'],
        level: 'L2',
        demands: 'SameSite as the purpose of each cookie asks for',
        measure:
          'Lax on every one, so that a page rendered on the server knows a person who follows a link from elsewhere. Unsafe methods are guarded by the origin check and don’t rely on it.',
      },
      {
        ids: ['ASVS 3.3.4'],
        level: 'L2',
        demands: 'HttpOnly, and the value reaches the client only by Set-Cookie',
        measure:
          'The refresh token is in its cookie and nowhere else in the responses of login, refresh and a change of password. signed-in, which is readable by design, holds 1.',
      },
      {
        ids: ['ASVS 3.3.5'],
        level: 'L3',
        demands: 'At most 4096 bytes of name and value',
        measure: 'The longest, the session cookie, has 106 bytes.',
      },
      {
        ids: ['6265bis 5.5'],
        demands: 'A lifetime of at most 400 days, ours no longer than the session',
        measure:
          'Max-Age of the session cookie is the seconds that the session has left, 7 days at most; the registration cookie has 7 days, the device cookie 180. With `remember: false` no cookie of the sign-in has one: they end with the browser.',
      },
      {
        ids: ['63B-4 5.1.1'],
        demands: 'Session cookies: HTTPS only, narrow, opaque, and no timeout by the browser',
        measure:
          '91 characters of base64url, signed, without address or id of the account. What counts is the row: a cookie that should have been dropped is 401 when it is sent by hand. The path is /, as __Host- asks for.',
      },
    ],
  },
  {
    title: 'Browser origin and response headers',
    requirements: [
      {
        ids: ['ASVS 3.1.1'],
        level: 'L3',
        demands: 'The browser features that are relied on, and what happens without them',
        measure:
          "docs/security.md lists them. A request with neither Origin nor Sec-Fetch-Site is no browser's and is served if it is JSON.",
      },
      {
        ids: ['ASVS 3.2.1'],
        level: 'L1',
        demands: 'A response of the API does not run as a page',
        measure:
          'JSON with nosniff and a Content-Security-Policy of default-src none and sandbox, on every response of every status.',
      },
      {
        ids: ['ASVS 3.4.1'],
        level: 'L1',
        demands: 'HSTS on every response, a year or more, subdomains included',
        measure:
          'vercel.json asks for two years with includeSubDomains on every path, unknown ones too. What the platform makes of it is checked from outside; a 5xx can’t be provoked there.',
        deployment: true,
      },
      {
        ids: ['ASVS 3.4.2'],
        level: 'L1',
        demands: 'No other origin is allowed',
        measure:
          'No response has any Access-Control header, whichever Origin asks, a look-alike and null among them, and a preflight is 405.',
      },
      {
        ids: ['ASVS 3.4.3', 'ASVS 3.4.6'],
        level: 'L2',
        demands: 'A Content-Security-Policy on every response, and nobody frames it',
        measure:
          'Functions: default-src, object-src, base-uri and frame-ancestors none, and sandbox, on all fifteen statuses. Pages: the same with scripts, styles and images from our own origin only; no page has an inline script, style or event handler.',
      },
      {
        ids: ['ASVS 3.4.7'],
        level: 'L3',
        demands: 'An endpoint that violations are reported to',
        measure: 'The tests run the pages in a real browser, and any violation fails them.',
        deviation:
          'There is none: an endpoint that anybody may write to would have to be stored and limited, and ten of the plan’s twelve functions are in use. The pages load nothing from elsewhere, so there is little to report.',
      },
      {
        ids: ['ASVS 3.4.4', 'ASVS 3.4.5'],
        level: 'L2',
        demands: 'nosniff and a referrer policy on every response',
        measure:
          'nosniff and no-referrer on 200 to 503, set by the functions themselves and by vercel.json for everything else.',
      },
      {
        ids: ['ASVS 3.5.1', 'ASVS 3.5.2'],
        level: 'L1',
        demands: 'Sensitive requests prove that they come from our own origin, with or without a preflight',
        measure:
          'Every unsafe method, DELETE without a body too, is 403 unless Sec-Fetch-Site is same-origin and Origin is our own, where they are sent; before any database call. What a form can send without a preflight, any type but application/json, is 415.',
      },
      {
        ids: ['ASVS 3.5.3'],
        level: 'L1',
        demands: 'Nothing is changed by GET, HEAD or OPTIONS',
        measure:
          "They are 405, or read; a read with the session cookie notes that its token was presented. Opening an emailed link changes nothing until the person presses the button; a token sent by GET still works afterwards. The exception, maintenance, is what Vercel's cron can send: it needs a secret in a header, which no page of another site can make a browser send.",
      },
      {
        ids: ['ASVS 3.5.4'],
        level: 'L2',
        demands: 'Separate applications on separate hosts',
        measure:
          "Everything is on the app's own origin, for which tokens are signed and __Host- cookies kept. Previews have hosts of their own; given the address of one, the check finds whether it shares keys with production.",
        deployment: true,
      },
      {
        ids: ['ASVS 3.5.6', 'ASVS 3.5.7'],
        level: 'L3',
        demands: 'No JSONP and no data in scripts',
        measure: 'Responses are application/json with nosniff, whatever the query or Accept asks for.',
      },
      {
        ids: ['ASVS 3.5.8'],
        level: 'L3',
        demands: 'What needs a sign-in is loaded only where it is meant to be',
        measure:
          'Cross-Origin-Resource-Policy: same-origin on every response; an unsafe request that says cross-site, same-site or none is 403.',
      },
      {
        ids: ['ASVS 3.7.2'],
        level: 'L2',
        demands: 'No redirect to where a request says',
        measure: 'No function sends Location, whatever next, redirect or Referer say.',
      },
      {
        ids: ['ASVS 3.7.4'],
        level: 'L3',
        demands: 'The domain is on the list of HSTS preloading',
        measure:
          "HSTS has the age and the subdomains that the list asks for. Where a deployment says preload, the check verifies the rest. Domains under .app, Vercel's own among them, are on the list.",
        deviation:
          'We don’t say preload: it binds every subdomain of the whole domain for good, so its owner decides. docs/security.md says how.',
        deployment: true,
      },
      {
        ids: ['CS CSRF', '6265bis 8.8.1'],
        demands:
          'More than SameSite: Fetch Metadata, then Origin, compared whole, same-site not trusted, login too',
        measure:
          "Eight kinds of foreign request are refused on every unsafe method, login and register among them, with or without a session. Our own pages pass by both headers and by either alone. A request with neither is no browser's and must still be application/json.",
      },
      {
        ids: ['63B-4 5.1 CSRF'],
        demands: 'POST and PUT carry an identifier of the session that is verified',
        measure:
          'The origin check of Sec-Fetch-Site and Origin and the content type serve instead, on every unsafe method.',
        deviation:
          'There is no anti-forgery token. A page can set neither header, and the check covers what a token of the session couldn’t: register and login.',
      },
    ],
  },
  {
    title: 'HTTP and the form of errors',
    requirements: [
      {
        ids: ['ASVS 4.1.1'],
        level: 'L1',
        demands: 'A correct Content-Type, with its charset',
        measure:
          'application/json; charset=utf-8 or application/problem+json, which takes none; a 204 has no body and no type. Checked for responses of fifteen statuses.',
      },
      {
        ids: ['ASVS 4.1.2'],
        level: 'L2',
        demands: 'Only pages are redirected from http to https',
        measure: 'No function is reached over http: a login sent that way is not processed.',
        deviation:
          "Vercel's edge answers http for the API with a redirect as well, which cannot be rotated off; a client that misspells its address learns of it late. HSTS keeps browsers from it.",
        deployment: true,
      },
      {
        ids: ['ASVS 4.1.3', 'ASVS 15.3.4'],
        level: 'L2',
        demands: 'A client cannot forge what the platform says about it',
        measure:
          'The address is read from x-real-ip only, which Vercel overwrites; x-forwarded-for, forwarded, x-user-id and the like change neither limit nor audit log nor person. The check at a deployment forges x-real-ip, too.',
        deployment: true,
      },
      {
        ids: ['RFC 9700 4.13'],
        demands: 'Headers that a proxy sets are not taken from a client',
        measure: 'As above; of what a proxy adds, only x-real-ip and x-vercel-id are read.',
      },
      {
        ids: ['ASVS 4.1.4'],
        level: 'L3',
        demands: 'No method but those that are served',
        measure: '405 for all others at all ten functions, OPTIONS, QUERY and made-up ones included.',
      },
      {
        ids: ['RFC 9110 15.5.6'],
        demands: '405 names the methods that are served',
        measure: 'Allow has them, for each function.',
      },
      {
        ids: ['ASVS 4.2.1'],
        level: 'L2',
        demands: 'A message has one boundary',
        measure: "Vercel's edge frames messages; the functions get them whole.",
        platform: true,
      },
      {
        ids: ['ASVS 4.2.2', 'ASVS 4.2.3'],
        level: 'L3',
        demands: 'A true length; no fields of the connection in HTTP/2',
        measure:
          "Vercel's edge speaks HTTP/2 and HTTP/1.1 with clients; the functions set neither lengths nor fields of a connection.",
        platform: true,
      },
      {
        ids: ['ASVS 4.2.4'],
        level: 'L3',
        demands: 'No line break within a field',
        measure:
          "The headers' own type refuses one, cookies escape it, and an id that came with the request is repeated only if it has nothing but letters, digits and _:.-",
      },
      {
        ids: ['ASVS 4.2.5'],
        level: 'L3',
        demands: 'Our own requests stay within what a receiver accepts',
        measure:
          'With an address of 254 characters every request to the database and the email provider, every emailed link and all four cookies together stay below 8 KB.',
      },
      {
        ids: ['RFC 9110 15.5.2'],
        demands: '401 names a scheme',
        measure: 'WWW-Authenticate: Bearer, on every 401 and on nothing else.',
      },
      {
        ids: ['RFC 9457 3', 'RFC 9457 3.1.1'],
        demands: 'Errors are application/problem+json with a stable type',
        measure:
          'One table of problems: a type is an absolute address on the app’s own origin that leads to its entry, one to one with its code. A misconfigured function, which knows no origin, gives it as a path.',
      },
      {
        ids: ['RFC 9457 3.1.2'],
        demands: 'status is the real one',
        measure:
          'Both are written from one number; compared for every code of the table and on real responses.',
      },
      {
        ids: ['RFC 9457 3.1.3', 'RFC 9457 3.1.4', 'RFC 9457 5'],
        demands: 'A fixed title, a detail that helps, nothing internal',
        measure:
          "Both come only from the table. With the database away or a table missing the response is the table's words and a request id, without statement, host or stack; passwords and tokens that were sent aren't repeated.",
      },
      {
        ids: ['RFC 9457 3.2'],
        demands: 'More facts in members of their own',
        measure: 'code, and errors[] with a JSON Pointer and a sentence for each field of a 422.',
      },
    ],
  },
]
