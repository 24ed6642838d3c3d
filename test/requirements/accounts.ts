import type { Chapter } from './requirement.ts'

export const accounts: readonly Chapter[] = [
  {
    title: 'Limits',
    requirements: [
      {
        ids: ['ASVS 6.1.1'],
        level: 'L1',
        demands: 'It is documented how guessing is slowed down without locking out the owner.',
        measure:
          'docs/limits.md has every limit with its number and window, the waits and the lock, and what a stranger can and can’t do to a person. A browser with a device cookie and a signed-in session have counts of their own, and a reset unlocks.',
      },
      {
        ids: ['ASVS 6.3.1'],
        level: 'L1',
        demands: 'Stuffing and guessing are stopped as documented.',
        measure:
          'A network has 100 logins in 10 minutes, whatever the addresses. An address waits 30 s after the tenth failure in a row and twice as long after each further one, up to an hour, whatever the networks. An attempt is counted before the password is checked, so parallel ones gain nothing.',
      },
      {
        ids: ['ASVS 2.4.1'],
        level: 'L2',
        demands: 'What is costly or could be abused is throttled.',
        measure:
          'Registrations, logins, emails, codes, links, refreshes, current passwords and changes of address each have a limit, consumed in the database in the call that does the work. An instance computes two hashes at once with 20 waiting, then 503: only that bounds a reset by link, whose hash is computed before its limit is consumed.',
      },
      {
        ids: ['63B-4 3.2.2'],
        demands: 'At most 100 failures in a row, then a new password; a success starts the count over.',
        measure:
          'The hundredth failure in a row locks the password, its owner is emailed, and only a new password unlocks it. A success clears the count. Guesses by the link of a change of address, counted separately, are 40 at most in its 8 hours.',
        deviation:
          'There is one count for all browsers without a device cookie, and one each for every browser that has signed in to the account and for every session. So the lock keeps out strangers and not the owner, and somebody who has stolen such a cookie has a hundred guesses there.',
      },
      {
        ids: ['CS Bot Management'],
        demands: 'Independent limits for account and source; a 429 doesn’t say which one was reached.',
        measure:
          'Limits of the source (an IPv4 address or an IPv6 /64) and of the address refill evenly (GCRA) and are independent. The fields of a 429 name the source’s limit, whichever one was reached.',
      },
      {
        ids: ['CS Authentication lockout'],
        demands: 'Failures count on the account and not on the network; a reset works while it is locked.',
        measure:
          'Ten failures from one network make that address wait from everywhere and no other address of that network. A locked account asks for a reset like any other and is open after it.',
      },
      {
        ids: ['CS Forgot Password limits'],
        demands: 'Requests for a reset are limited for each account.',
        measure:
          'An address gets at most five emails an hour. Further requests get the same response and send nothing.',
      },
      {
        ids: ['RateLimit 3', 'RateLimit 4'],
        demands:
          'RateLimit-Policy with quota and window, RateLimit with what is left and seconds, as structured fields.',
        measure: 'A 429 has both, such as `"login-source";q=100;w=600` and `"login-source";r=0;t=30`.',
      },
      {
        ids: ['RateLimit 5.1', 'RateLimit 6'],
        demands: 'Retry-After not earlier than t; the problem type quota-exceeded.',
        measure:
          'Retry-After and t are the same whole number of seconds, rounded up. The problem is `quota-exceeded`, its type our own address that ends in #quota-exceeded.',
      },
      {
        ids: ['RateLimit 8.2'],
        demands: 'The fields say nothing about another person.',
        measure:
          'They are the source’s, and the same for a known, unknown, pending, locked or disabled address. The keys in the table are keyed hashes.',
      },
    ],
  },
  {
    title: 'Passwords',
    requirements: [
      {
        ids: ['ASVS 6.2.1'],
        level: 'L1',
        demands: 'At least 8 characters, better 15.',
        measure: '15. PASSWORD_MIN_LENGTH takes 8 to 64 and nothing else.',
      },
      {
        ids: ['63B-4 3.1.1.2(1)'],
        demands: 'At least 15 characters where the password is the only factor.',
        measure: '15 unless an operator sets PASSWORD_MIN_LENGTH, whose description says why it should stay.',
      },
      {
        ids: ['ASVS 6.2.2', 'ASVS 6.2.3'],
        level: 'L1',
        demands: 'The password can be changed, with the current and the new one.',
        measure:
          'PATCH /api/auth/account takes both in a live session. Without either it is refused, and a wrong current one counts as a failure. Where the account has a second factor, the session must have been authenticated with it a moment ago, too.',
      },
      {
        ids: ['ASVS 6.2.4'],
        level: 'L1',
        demands: 'The 3000 commonest passwords that fit the policy are refused.',
        measure:
          'The 5000 commonest of 15 characters and more and the 5000 commonest of 8 to 14 are refused in any case of letters, at register, reset and a change.',
      },
      {
        ids: ['ASVS 6.2.5'],
        level: 'L1',
        demands: 'No rules of composition.',
        measure: 'None: fifteen small letters, digits, spaces, emoji or Cyrillic letters will do.',
      },
      {
        ids: ['63B-4 3.1.1.2(5)'],
        demands: 'No rules of composition.',
        measure: 'None, as above.',
      },
      {
        ids: ['ASVS 6.2.8'],
        level: 'L1',
        demands: 'The password is checked just as it was given.',
        measure:
          'Whole and unchanged but for NFC: another case, a space more, another 73rd byte or the first 72 bytes alone do not sign in.',
      },
      {
        ids: ['63B-4 3.1.1.2(9)'],
        demands: 'The whole password is checked, never a part of it.',
        measure:
          'As above; the hash takes any length, and what is longer than 128 characters is refused, not cut.',
      },
      {
        ids: ['ASVS 6.2.9'],
        level: 'L2',
        demands: 'At least 64 characters are possible.',
        measure: '128, counted in code points: 128 emoji of four bytes each register and sign in.',
      },
      {
        ids: ['63B-4 3.1.1.2(2)', '63B-4 3.1.1.2(3)', '63B-4 3.1.1.2(4)'],
        demands: '64 characters, printable ASCII, spaces and Unicode; a code point counts as one.',
        measure: '128 code points of any script. Only NUL and half a surrogate pair are refused.',
      },
      {
        ids: ['ASVS 6.2.10'],
        level: 'L2',
        demands: 'A password stays until it is known to be compromised or its owner changes it.',
        measure:
          'A password never expires. Where one is known to be compromised, `npm run admin -- force-reset` removes it: the account’s sessions are revoked, nothing signs in, a browser with a device cookie neither, and a reset link is emailed.',
      },
      {
        ids: ['63B-4 3.1.1.2(6)'],
        demands: 'No scheduled change; a forced change where there is evidence.',
        measure: 'As above.',
      },
      {
        ids: ['ASVS 6.1.2'],
        level: 'L2',
        demands: 'The words of the app’s own context are documented.',
        measure:
          'docs/security.md names them: PRODUCT_NAME, the host of the app’s origin, the person’s own address, and the parts of these.',
      },
      {
        ids: ['ASVS 6.2.11'],
        level: 'L2',
        demands: 'These words make no password.',
        measure:
          'A password made of nothing but these words and up to three other characters is refused at register, reset and a change. A reset by link doesn’t know the person’s address before the hash, so there it is not among them.',
      },
      {
        ids: ['ASVS 6.2.12'],
        level: 'L2',
        demands: 'New passwords are checked against breached ones.',
        measure:
          'Where BREACHED_PASSWORDS_URL is set, register, reset and a change ask it by the first five characters of a hash and refuse what is listed; without an answer within a second the password passes, and that is logged. Where it isn’t set, the 10,000 commonest, which come from breaches, are refused.',
      },
      {
        ids: ['63B-4 3.1.1.2 blocklist'],
        demands: 'Whole passwords are compared, and a refusal gives its reason.',
        measure:
          'A list entry is refused and a phrase that contains one is not. Each refusal has its reason as a sentence for the person.',
      },
      {
        ids: ['63B-4 3.1.1.2 Unicode'],
        demands: 'Unicode is normalised before the hash.',
        measure: 'NFC, where a password is set and where it is checked.',
      },
      {
        ids: ['63B-4 3.1.1.2 storage'],
        demands: 'Salted and hashed at a cost, with scheme and cost beside it.',
        measure: 'A PHC string: argon2id with its cost and a salt of 128 random bits for each password.',
      },
      {
        ids: ['63B-4 3.1.1.2 keyed hash'],
        demands: 'A further keyed step with a secret that is stored separately (advised).',
        measure: 'argon2id with its salt, and nothing beyond it.',
        deviation:
          'There is no such step. Its key couldn’t be rotated without everybody’s password, and losing it would lose every account. Passwords of 15 characters at 19 MiB a guess stand in for it.',
      },
      {
        ids: ['ASVS 11.4.2'],
        level: 'L2',
        demands: 'An approved password hash at an approved cost.',
        measure: 'argon2id with 19456 KiB, 2 passes, 1 lane.',
      },
      {
        ids: ['CS Password Storage'],
        demands: 'argon2id first, under a second, renewed when the cost rises.',
        measure:
          'A hash takes some 11 ms, and a login replaces one of another cost, without disturbing other logins at that moment.',
      },
      {
        ids: ['CS Authentication long passwords'],
        demands: 'A long password is refused and not cut, and costs nothing.',
        measure:
          'More than 128 characters are refused with 422 before any hash, bodies above 16 KB with 413. Hashes are compared in constant time by the argon2 library.',
      },
    ],
  },
  {
    title: 'Signing in and registering',
    requirements: [
      {
        ids: ['ASVS 6.1.3', 'ASVS 6.3.4'],
        level: 'L2',
        demands: 'Every way in is documented and as strong as the others, and there is no other.',
        measure:
          'public/openapi.json lists every function and method, and a test compares it with what is served. Four operations hand out a session: login, refresh, a change of password, and verify in the browser that registered. Each needs the password, the token of a session, or the emailed link together with the signed cookie of the browser in which the password was chosen.',
      },
      {
        ids: ['ASVS 6.3.2'],
        level: 'L1',
        demands: 'No default accounts.',
        measure: 'The migrations insert no row but their own names.',
      },
      {
        ids: ['ASVS 6.3.3'],
        level: 'L2',
        demands: 'A second factor.',
        measure:
          'One factor, the password. What stands in: 15 characters, waits and a lock, emails, and a re-authentication for what changes the account. The step-up rule already asks for the second factor where an account has one.',
        deviation:
          'There is no second factor yet; it is the one part of level 2 that is left out as a whole. An app that guards more should put one in front of it.',
      },
      {
        ids: ['63B-4 2.1'],
        demands: 'One factor is enough for AAL1; more should be offered.',
        measure: 'AAL1 by password; no higher level is claimed.',
        deviation: 'A second factor is not offered, as above.',
      },
      {
        ids: ['ASVS 6.3.5'],
        level: 'L3',
        demands: 'People are notified of suspicious attempts.',
        measure:
          'A sign-in after five failures or more in a browser without a device cookie, and the failure that locks the password, each send one email to the owner. Failures by themselves don’t.',
      },
      {
        ids: ['CS Credential Stuffing notice'],
        demands: 'A notice of what is unusual, not of every failure.',
        measure: 'As above.',
      },
      {
        ids: ['ASVS 6.3.6'],
        level: 'L3',
        demands: 'Email is no factor.',
        measure:
          'A emailed link or code verifies an address. In any browser but the one that registered, verify opens no session, with the password neither, and reset opens none anywhere: one signs in with the password.',
        deviation:
          'The browser that registered is signed in when its address is verified. It holds a signed cookie from the moment the password was chosen in it, at most 7 days before, so the link isn’t what lets it in; the session’s method is `email`, its `amr` is `otp`, and no other browser gets in by the link.',
      },
      {
        ids: ['63B-4 3.1.3.1'],
        demands: 'Email is not used to authenticate.',
        measure: 'As above.',
        deviation: 'The first session, in the browser that registered, as above.',
      },
      {
        ids: ['ASVS 6.3.7'],
        level: 'L3',
        demands: 'People are notified of changes to their credentials.',
        measure:
          'A change of password, a reset and a change of address each send an email, without a password or a token that opens anything; a change of address to the old and the new one before it happens.',
      },
      {
        ids: ['ASVS 6.3.8'],
        level: 'L3',
        demands: 'Nobody can find out whether somebody has an account.',
        measure:
          'Status, headers, body and the shape of cookies are the same for an unknown, known, pending, locked and disabled address at login, register, verify and reset, for a code as for a request, up to each limit and beyond it. Each login costs one comparison and each registration one hash, whoever has the address; emails leave after the response.',
        deviation:
          'A stranger who keeps an address waiting by wrong passwords sees the count start over when its owner verifies a registration, signs in in a new browser or sets a new password: a success clears it, as NIST asks for (3.2.2). That takes attempts at one address at the right time.',
      },
      {
        ids: ['CS Authentication login'],
        demands:
          'The same response and the same work for a wrong password, an unknown, a locked and a disabled account.',
        measure:
          '401 `invalid-credentials` after exactly one comparison, for an unknown address and an account without a password with the hash of a random password that nobody knows.',
      },
      {
        ids: ['CS Authentication register'],
        demands: 'An address that has an account gets the same response, and its owner is emailed.',
        measure:
          '202 with a cookie of the same shape after exactly one hash; the owner gets an email that there is an account, and nothing is kept.',
      },
    ],
  },
  {
    title: 'Emailed links and codes',
    requirements: [
      {
        ids: ['ASVS 6.4.1'],
        level: 'L1',
        demands: 'What activates or recovers is random, short-lived, used once, and no password.',
        measure:
          'A link carries a 256-bit MAC and works once, for 8 hours (registration, new address) or 30 minutes (reset). Neither link nor code works as a password.',
      },
      {
        ids: ['ASVS 6.4.2'],
        level: 'L1',
        demands: 'No hints and no secret questions.',
        measure: 'No column has one and no body takes one.',
      },
      {
        ids: ['63B-4 3.1.1.2(7)', '63B-4 3.1.1.2(8)'],
        demands: 'No hints and no knowledge-based questions.',
        measure: 'As above.',
      },
      {
        ids: ['ASVS 6.4.3'],
        level: 'L2',
        demands: 'A forgotten password is reset securely, without bypassing a second factor.',
        measure:
          'By an emailed link or code that sets a password of the same policy, revokes every session and signs nobody in. There is no second factor that it could bypass.',
      },
      {
        ids: ['63B-4 4.2.1.2'],
        demands:
          'A recovery code by email: six random digits, a day at most, throttled, to a verified address.',
        measure:
          'Six digits of a keyed hash for 30 minutes, five tries an email and ten a day, only to the account’s verified address.',
      },
      {
        ids: ['63B-4 4.2.1.2 addresses', '63B-4 4.6 addresses'],
        demands: 'Two addresses for recovery and for notices can be named.',
        measure: 'One address, which is verified before the account exists.',
        deviation:
          'There is no second one: it would be a second mailbox by which an account can be taken over. A change of address is emailed to both and can be canceled from the old one, and SUPPORT_ADDRESS is in every email.',
      },
      {
        ids: ['63B-4 4.2.3', '63B-4 4.6'],
        demands: 'A recovery always sends a notice, with what to do if it was somebody else.',
        measure:
          'After a reset the owner gets an email that says so, what to do if it wasn’t them, and whom to write to where SUPPORT_ADDRESS is set; so does every email, in every language.',
      },
      {
        ids: ['CS Forgot Password token', 'CS Input Validation token'],
        demands: 'Unguessable, tied to one account, not stored in the clear, used once, expiring.',
        measure:
          '70 characters with a 256-bit MAC over a row’s id and the expiry. Neither token nor code is stored, what is stored makes none without the secret, and a newer request makes the older one worthless.',
      },
      {
        ids: ['CS Forgot Password link'],
        demands: 'Built from the configured origin; its page sends no referrer.',
        measure:
          'APP_URL or the deployment’s own domain, whatever Host or a forwarded header says. The page and every response say no-referrer, and the token stands in the fragment.',
      },
      {
        ids: ['CS Forgot Password effects'],
        demands:
          'Nothing changes before a valid token; then a notice, no sign-in, and every session is revoked.',
        measure:
          'After the request the old password and every session go on; after the reset every session is revoked, nobody is signed in and the owner is emailed.',
      },
    ],
  },
]
