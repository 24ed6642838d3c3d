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
          'docs/security.md has one for every field, query, cookie and header that is read. The tests take the numbers from that page and try each at its edge: 254 characters of an address, 15 to 128 of a password, 16384 bytes of a body.',
      },
      {
        ids: ['ASVS 2.1.2', 'ASVS 2.2.3'],
        level: 'L2',
        demands: 'Written rules between inputs, enforced',
        measure:
          'docs/security.md lists eight, each with its refusal: a new password is not the current one nor made of the own address, a token serves its one purpose, a code belongs to its address. A reset by link knows the account only once its token is spent, so the own address is not looked for there; the page says so.',
      },
      {
        ids: ['ASVS 2.1.3', 'ASVS 2.3.2'],
        level: 'L2',
        demands: 'Limits for one user and for all, written and enforced',
        measure:
          'docs/limits.md has every bucket with its number, 50 sessions an account, 2 hashes at once and 20 waiting an instance, 16 KB a body; one test reads the numbers there and another goes past them. Nothing is counted over all sources together, and docs/security.md says why.',
      },
      {
        ids: ['ASVS 2.2.1'],
        level: 'L1',
        demands: 'Every input is matched to a shape that is expected',
        measure:
          'Strict schemas: an unknown key, another type, a list for a text, NUL or a name given twice is a 4xx with a JSON Pointer. Cookies are sealed, and anything else in them is taken for none, 10 KB too. The few headers that are read are cut or ignored when they do not fit.',
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
          'register writes a registration and no account. Until its token is spent a login opens no session, a reset mails nothing, and a token of one purpose is worth nothing for another.',
      },
      {
        ids: ['CS Email Validation proof'],
        demands: 'No use of an account before its address is proven',
        measure:
          'There is no account before: spending the mailed token makes it. Whoever knows the password of a pending registration gets 403 email-unverified and no session.',
      },
      {
        ids: ['ASVS 2.3.3'],
        level: 'L2',
        demands: 'Several writes happen together or not at all',
        measure:
          'Each change is one statement or one transaction. When the event of a reset cannot be written, the password stays, the sessions live and the link still works.',
      },
      {
        ids: ['ASVS 2.3.4'],
        level: 'L2',
        demands: 'Nothing scarce is taken twice by racing',
        measure:
          'A row lock decides who spends a token: of 20 that spend one link at once exactly one succeeds, for a registration and for a reset.',
      },
      {
        ids: ['ASVS 2.4.2'],
        level: 'L3',
        demands: 'Repeats faster than a person would make are refused',
        measure:
          'An address gets at most 5 mails an hour and a source may ask for 30; the sixth request is answered alike and sends nothing. Wrong passwords wait from the fifth on.',
        deviation:
          'There is no least time between two requests: five for one address may follow at once, and each sends a mail. Somebody who asks again because the first one is slow gets it at once; the hourly limit bounds what a program gains by it.',
      },
      {
        ids: ['CS Email Validation form', 'CS Input Validation email'],
        demands: 'One form in which addresses are compared, lengths, a light check of the syntax',
        measure:
          'Lower case, the domain in punycode, what is before the @ otherwise as it is: three spellings reach one account in register, login and reset, and mail goes to the one that was typed. At most 254 characters, 63 before the @; a+b@x.co is accepted.',
      },
      {
        ids: ['CS REST Security'],
        demands: 'Bodies of a bounded size and of the expected type',
        measure:
          'More than 16 KB is 413 before any call of the database, also when no length or a false one is stated. Anything but application/json is 415, a missing type too.',
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
          'signed-in=1, which pages read to know that there may be a session to refresh, has the attributes but not the name. It opens nothing; whoever plants it causes one refresh that is refused.',
      },
      {
        ids: ['ASVS 3.3.3'],
        level: 'L2',
        demands: '__Host- names',
        measure: '__Host-session, __Host-registration and __Host-known-browser.',
        deviation: 'signed-in, as above.',
      },
      {
        ids: ['6265bis 4.1.3.2'],
        demands: '__Host- cookies have Secure, Path=/ and no Domain, when they are cleared as well',
        measure:
          'They have, in every answer that sets or clears one; set and clear share a definition, which a test compares attribute by attribute.',
      },
      {
        ids: ['ASVS 3.3.2'],
        level: 'L2',
        demands: 'SameSite as the purpose of each cookie asks for',
        measure:
          'Lax on every one: pages that are rendered on the server know the person who comes by a link from elsewhere. Unsafe methods are guarded by the origin check and do not rely on it.',
      },
      {
        ids: ['ASVS 3.3.4'],
        level: 'L2',
        demands: 'HttpOnly, and the value reaches the client by Set-Cookie alone',
        measure:
          'The refresh token is in its cookie and nowhere else in the answers of login, refresh and a change of password. signed-in, which is readable on purpose, holds 1.',
      },
      {
        ids: ['ASVS 3.3.5'],
        level: 'L3',
        demands: 'At most 4096 bytes of name and value',
        measure: 'The longest, the session cookie, has 106 bytes.',
      },
      {
        ids: ['6265bis 5.5'],
        demands: 'A life of at most 400 days, ours no longer than the session',
        measure:
          'Max-Age of the session cookie is the seconds that the session has left, 7 days at most; the registration has 7 days, a known browser 180.',
      },
      {
        ids: ['63B-4 5.1.1'],
        demands: 'Session cookies: https alone, narrow, opaque, and no timeout by the browser',
        measure:
          '91 characters of base64url, sealed, without address or id of the account. What counts is the row: a cookie that should have been dropped is 401 when it is sent by hand. The path is /, as __Host- asks for.',
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
          "docs/security.md lists ten. A request with neither Origin nor Sec-Fetch-Site is no browser's and is served if it is JSON, as that page says.",
      },
      {
        ids: ['ASVS 3.2.1'],
        level: 'L1',
        demands: 'An answer of the API does not run as a page',
        measure:
          'JSON with nosniff and a Content-Security-Policy of default-src none and sandbox, on every answer of every status.',
      },
      {
        ids: ['ASVS 3.4.1'],
        level: 'L1',
        demands: 'HSTS on every answer, a year or more, subdomains included',
        measure:
          'vercel.json asks for two years with includeSubDomains on every path there can be, unknown ones too. What the platform makes of it is looked at from outside; an answer of 5xx cannot be provoked there.',
        deployment: true,
      },
      {
        ids: ['ASVS 3.4.2'],
        level: 'L1',
        demands: 'No other origin is let in',
        measure:
          'No answer has any Access-Control header, whichever Origin asks, a look-alike and null among them, and a preflight is 405.',
      },
      {
        ids: ['ASVS 3.4.3', 'ASVS 3.4.6'],
        level: 'L2',
        demands: 'A Content-Security-Policy on every answer, and nobody frames it',
        measure:
          'Functions: default-src, object-src, base-uri and frame-ancestors none, and sandbox, on all fifteen statuses. Pages: the same with scripts, styles and images from our own origin alone; no page has an inline script, style or event handler.',
      },
      {
        ids: ['ASVS 3.4.7'],
        level: 'L3',
        demands: 'A place that violations are reported to',
        measure: 'The tests run the pages in a real browser, and any violation fails them.',
        deviation:
          'The policy names no place: an endpoint that anybody may write to would have to be stored and limited, and ten of the twelve functions of the plan are taken. The pages load nothing from elsewhere, so there is little to report.',
      },
      {
        ids: ['ASVS 3.4.4', 'ASVS 3.4.5'],
        level: 'L2',
        demands: 'nosniff and a referrer policy on every answer',
        measure:
          'nosniff and no-referrer on 200 to 503, set by the functions themselves and by vercel.json for everything else.',
      },
      {
        ids: ['ASVS 3.5.1', 'ASVS 3.5.2'],
        level: 'L1',
        demands: 'Sensitive requests prove that they come from our own origin, with or without a preflight',
        measure:
          'Every unsafe method, DELETE without a body too, is 403 unless Sec-Fetch-Site is same-origin and Origin is our own, where they are sent; before any call of the database. What a form can send without a preflight, any type but application/json, is 415.',
      },
      {
        ids: ['ASVS 3.5.3'],
        level: 'L1',
        demands: 'Nothing is changed by GET, HEAD or OPTIONS',
        measure:
          "They are 405, or read. Opening a mailed link changes nothing until the person presses the button; a token sent by GET still works afterwards. The one exception, maintenance, is what Vercel's cron can send: it needs a secret in a header, which no page of another site can make a browser send.",
      },
      {
        ids: ['ASVS 3.5.4'],
        level: 'L2',
        demands: 'Separate applications on separate hosts',
        measure:
          "Everything is on the app's own origin, for which tokens are made and __Host- cookies kept. Previews have hosts of their own; given the address of one, the check sees whether it shares keys with production.",
        deployment: true,
      },
      {
        ids: ['ASVS 3.5.6', 'ASVS 3.5.7'],
        level: 'L3',
        demands: 'No JSONP and no data in scripts',
        measure: 'Answers are application/json with nosniff, whatever the query or Accept asks for.',
      },
      {
        ids: ['ASVS 3.5.8'],
        level: 'L3',
        demands: 'What needs a sign-in is loaded only where it is meant to be',
        measure:
          'Cross-Origin-Resource-Policy: same-origin on every answer; an unsafe request that says cross-site, same-site or none is 403.',
      },
      {
        ids: ['ASVS 3.7.2'],
        level: 'L2',
        demands: 'No redirect to where a request says',
        measure: 'No function answers with Location, whatever next, redirect or Referer say.',
      },
      {
        ids: ['ASVS 3.7.4'],
        level: 'L3',
        demands: 'The domain is on the list of HSTS preloading',
        measure:
          "HSTS has the age and the subdomains that the list asks for. Should a deployment say preload, the check sees that it meets the rest. Domains under .app, Vercel's own among them, are on the list.",
        deviation:
          'We do not say preload: it binds every subdomain of the whole domain for good and is for its owner to decide. docs/security.md says how.',
        deployment: true,
      },
      {
        ids: ['CS CSRF', '6265bis 8.8.1'],
        demands:
          'More than SameSite: Fetch Metadata, then Origin, compared whole, same-site not trusted, login too',
        measure:
          "Eight kinds of foreign request are refused on ten unsafe methods, login and register among them, with or without a session. Our own pages pass by both headers and by either alone. A request with neither is no browser's and must still be application/json.",
      },
      {
        ids: ['63B-4 5.1 CSRF'],
        demands: 'POST and PUT carry an identifier of the session that is verified',
        measure:
          'The origin check of Sec-Fetch-Site and Origin and the content type serve instead, on every unsafe method.',
        deviation:
          'There is no anti-forgery token. A page can set neither header, and the check covers what a token of the session could not: register and login. docs/security.md says so.',
      },
    ],
  },
  {
    title: 'HTTP and the form of errors',
    requirements: [
      {
        ids: ['ASVS 4.1.1'],
        level: 'L1',
        demands: 'A true Content-Type, with its charset',
        measure:
          'application/json; charset=utf-8 or application/problem+json, which takes none; a 204 has no body and no type. Seen for fifteen answers of fifteen kinds.',
      },
      {
        ids: ['ASVS 4.1.2'],
        level: 'L2',
        demands: 'Only pages are redirected from http to https',
        measure: 'No function is reached over http: a login sent that way is not processed.',
        deviation:
          "Vercel's edge answers http for the API with a redirect as well, which cannot be turned off; a client that misspells its address learns of it late. HSTS keeps browsers from it.",
        deployment: true,
      },
      {
        ids: ['ASVS 4.1.3', 'ASVS 15.3.4'],
        level: 'L2',
        demands: 'What the platform says of a client cannot be forged by it',
        measure:
          'The address is read from x-real-ip alone, which Vercel overwrites; x-forwarded-for, forwarded, x-user-id and the like change neither bucket nor trail nor person. The check at a deployment forges x-real-ip, too.',
        deployment: true,
      },
      {
        ids: ['RFC 9700 4.13'],
        demands: 'Headers that a proxy sets are not taken from a client',
        measure: 'As above; nothing but x-real-ip and x-vercel-id is read of what a proxy adds.',
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
        measure:
          "The platform's edge frames messages. A body with Content-Length and chunks is refused or framed by its chunks, one with two lengths is refused.",
        deployment: true,
      },
      {
        ids: ['ASVS 4.2.2', 'ASVS 4.2.3'],
        level: 'L3',
        demands: 'A true length; no fields of the connection in HTTP/2',
        measure:
          "Also the edge's work: a stated length is the number of bytes that come, and a request over HTTP/2 with Transfer-Encoding or Connection is refused.",
        deployment: true,
      },
      {
        ids: ['ASVS 4.2.4'],
        level: 'L3',
        demands: 'No line break within a field',
        measure:
          "The headers' own type refuses one, cookies write it escaped, and an id that came with the request is taken into an answer only if it has letters, digits and _:.- alone.",
      },
      {
        ids: ['ASVS 4.2.5'],
        level: 'L3',
        demands: 'Own requests stay within what a receiver takes',
        measure:
          'With an address of 254 characters every request to the database and the mail provider, every mailed link and all four cookies together stay below 8 KB.',
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
          'One table of problems: a type is an absolute address on the own origin that leads to its entry, one to one with its code. A misconfigured function, which has no origin, gives it as a path.',
      },
      {
        ids: ['RFC 9457 3.1.2'],
        demands: 'status is the real one',
        measure:
          'Both are written from one number; compared for every code of the table and on twelve real answers.',
      },
      {
        ids: ['RFC 9457 3.1.3', 'RFC 9457 3.1.4', 'RFC 9457 5'],
        demands: 'A fixed title, a detail that helps, nothing of the inside',
        measure:
          "Both come from the table alone. With the database away or a table missing the answer is the table's words and a request id, without statement, host or stack; passwords and tokens that were sent are not repeated.",
      },
      {
        ids: ['RFC 9457 3.2'],
        demands: 'More facts in members of their own',
        measure: 'code, and errors[] with a JSON Pointer and a sentence for each field of a 422.',
      },
    ],
  },
]
