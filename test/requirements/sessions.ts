import type { Chapter } from './requirement.ts'

/** Sessions, rotation of refresh tokens, access tokens, cryptography. */
export const sessions: readonly Chapter[] = [
  {
    title: 'Sessions',
    requirements: [
      {
        ids: ['ASVS 7.1.1'],
        level: 'L2',
        demands: 'Idle and absolute expiry documented, with reasons.',
        measure:
          'A session expires 7 days after its last rotation and 30 days after its sign-in, whichever is sooner; with `remember: false` after 2 hours and 24 hours. docs/sessions.md has them, and a test pins the numbers.',
      },
      {
        ids: ['63B-4 2.1.3', '63B-4 5.2'],
        demands: 'A definite expiry of every session, at most 30 days with one factor.',
        measure:
          '30 days from the sign-in, never moved, also not by a re-authentication or a change of password; the idle expiry of 7 days is more than is asked for at AAL1. AAL2, with 24 hours and one hour idle, is not claimed, since there is no second factor.',
      },
      {
        ids: ['ASVS 7.1.2'],
        level: 'L2',
        demands: 'How many sessions at once, and what happens beyond, documented.',
        measure: '50 an account; one more sign-in revokes the oldest, with an event.',
      },
      {
        ids: ['ASVS 7.2.1', 'ASVS 7.2.2'],
        level: 'L1',
        demands: 'Tokens are checked on the server and made for the session, no static keys.',
        measure:
          'The signature of cookie and access token is verified, and then the row is checked, in every operation that needs a session. Each sign-in draws a new family; what a browser brings along is never adopted.',
      },
      {
        ids: ['ASVS 7.2.3'],
        level: 'L1',
        demands: 'Reference tokens are unique, random, 128 bits or more.',
        measure: '256 bits from the operating system’s generator for each family, under a MAC of 256 bits.',
      },
      {
        ids: ['ASVS 7.2.4'],
        level: 'L1',
        demands: 'Signing in and re-authenticating issue a new token and end the one presented.',
        measure:
          'A sign-in supersedes the session that came with it, and so do a re-authentication, a change of password and verifying. A re-authentication is only for the account that is signed in: for another one it is 403 `different-account`, and nothing changes.',
      },
      {
        ids: ['ASVS 7.3.1', 'ASVS 7.3.2'],
        level: 'L2',
        demands: 'After the idle and the absolute expiry one must sign in again.',
        measure:
          'Both are compared with the database’s clock wherever a session is looked up, 7 days unused and 30 days in all, however often it was rotated.',
      },
      {
        ids: ['ASVS 7.4.1'],
        level: 'L1',
        demands: 'After a logout or the expiry nothing of the session works.',
        measure:
          'Every endpoint looks at the row, for an unexpired access token, too. An app’s own function chooses: `requireSession` does the same, `requireUser` only verifies the signature and is up to 15 minutes behind.',
      },
      {
        ids: ['ASVS 7.4.2'],
        level: 'L1',
        demands: 'A disabled or deleted account has no session.',
        measure:
          'Each lookup of a session includes its account: refused from the moment `disabled_at` is set, gone with the account’s row. The command that disables an account also revokes its sessions, so they don’t come back with it.',
      },
      {
        ids: ['ASVS 7.4.3'],
        level: 'L2',
        demands: 'A new password can end all other sessions.',
        measure:
          'It always does: a reset revokes all of them, a change revokes the others and replaces its own.',
      },
      {
        ids: ['ASVS 7.4.5'],
        level: 'L2',
        demands: 'Operators can revoke the sessions of one person or of everyone.',
        measure:
          '`npm run admin` revokes the sessions of one account, one session or everyone’s, and disables an account, each with an event for each session that says who did it. Another JWT_SECRET in place of the old one ends everything that was handed out. A person revokes all of their own by logout everywhere.',
      },
      {
        ids: ['ASVS 7.5.1'],
        level: 'L2',
        demands: 'What recovers an account changes only after its owner has authenticated again.',
        measure:
          'The address is the only such thing. A change needs a session authenticated within 5 minutes, at full strength; the new address confirms it, in a browser that is signed in or with the password, and the old one can cancel it. Deleting the account, revoking sessions and logout everywhere follow the same rule.',
      },
      {
        ids: ['ASVS 7.5.2'],
        level: 'L2',
        demands: 'People see their sessions and revoke any of them, after authenticating again.',
        measure:
          'The list has browser and coarse address, of the sign-in and of the last refresh, the last use in steps of 15 minutes, and the expiry. Revoking needs a session authenticated within the last 5 minutes, else 403. Logging out of this session needs nothing.',
      },
      {
        ids: ['CS Credential Stuffing sessions'],
        demands: 'People can see the sessions that are signed in and revoke them.',
        measure: 'GET and DELETE of /api/auth/sessions, as above.',
      },
      {
        ids: ['ASVS 7.5.3'],
        level: 'L3',
        demands: 'Highly sensitive operations ask for further proof.',
        measure:
          'One rule: address, deletion, sessions and logout everywhere need an authentication within 5 minutes, at full strength, by the time in the row and not by the age of a token. A change of password asks for the current one, whose guesses are counted for each session.',
      },
      {
        ids: ['63B-4 5.1.2'],
        demands: 'An access token is no proof that the person is present.',
        measure:
          'A fresh access token revokes no session when the last authentication was more than 5 minutes ago; `requireSession` gives the app’s functions `session.steppedUp`, and the token has `auth_time` and `amr`.',
      },
      {
        ids: ['63B-4 5.1 secrets'],
        demands:
          'Session secrets: 64 bits, drawn at the sign-in, gone at the logout, not kept by scripts or across restarts, HTTPS only.',
        measure:
          '256 bits, drawn at the sign-in, in an HttpOnly `__Host-` cookie that only HTTPS carries and that a logout clears; no page of ours writes to the browser’s storage. With `remember: false` the cookie ends with the browser.',
        deviation:
          'By default the cookie has a Max-Age and survives a restart of the browser. Phones end browsers at will and browsers restore cookies with their tabs, so sessions would end by accident otherwise. The row decides when it is over, and a forgotten one is revoked from another browser.',
      },
      {
        ids: ['CS Session Management'],
        demands:
          'Only ids that the server issued, only in the cookie; new ones when privileges change; none in logs.',
        measure:
          'A refresh token counts in its cookie and nowhere else, and only where it was signed here and a row has its family’s digest. A sign-in draws a new one. Roles are read from the account each time. Logs and statements have neither tokens nor families.',
      },
    ],
  },
  {
    title: 'Rotation of refresh tokens',
    requirements: [
      {
        ids: ['RFC 9700 2.2.2'],
        demands: 'A public client’s refresh tokens are sender-constrained or rotated.',
        measure:
          'They rotate: a refresh more than 30 seconds after the last rotation raises the family’s counter. Once the new token was presented, to refresh or to a read, its predecessor is reuse.',
      },
      {
        ids: ['RFC 9700 4.14.2'],
        demands:
          'Reuse of a refresh token revokes its family; tokens end after disuse, logout or a new password.',
        measure:
          'There is one row a family. A token whose successor was presented, or one two rotations behind, revokes the session, with an event and an email to the owner. So do a logout, a new password, the list of sessions and 7 days unused.',
        deviation:
          'For 30 seconds after a rotation the predecessor still gets the very same successor, from the same browser and system. Later it gets it only while that successor was never presented, with an event, and at most for two different counters in a row; the third is reuse. Otherwise two tabs, a retry, a lost response or a closed laptop would sign people out. The successor is derived and not drawn, so there is never a second line of tokens.',
      },
      {
        ids: ['ASVS 10.4.5'],
        level: 'L1',
        demands: 'Reuse of a refresh token revokes the whole family.',
        measure:
          'A token two rotations behind at once, the predecessor as soon as its successor was presented, the third recovery in a row: the row is revoked, and with it the newest refresh token and every access token where the row is looked up.',
      },
      {
        ids: ['ASVS 10.4.5 sender-constrained'],
        level: 'L3',
        demands: 'Sender-constrained refresh tokens, by DPoP or mutual TLS.',
        measure: 'Rotated with reuse detection instead, as levels 1 and 2 allow.',
        deviation:
          'DPoP needs a key that a script holds, which an httpOnly cookie spares, and browsers have no client certificates for this. The cookie is out of reach of scripts and bound to the host, and a copy of it is detected once both are in use.',
      },
      {
        ids: ['ASVS 10.4.8'],
        level: 'L2',
        demands: 'Refresh tokens have an absolute expiry, though the idle expiry slides.',
        measure:
          'It is set at the sign-in, 30 days later, and neither a rotation nor what replaces the session moves it: the idle expiry and the cookie’s Max-Age stop there.',
      },
      {
        ids: ['BBA 6.3.2.3'],
        demands: 'A rotated token does not outlive the first one’s lifetime.',
        measure: 'All tokens of a family share the one expiry in their row.',
      },
      {
        ids: ['ASVS 10.4.9'],
        level: 'L2',
        demands: 'People can revoke refresh tokens.',
        measure: 'By logout, from the list of sessions and by a new password; unused for 7 days they expire.',
      },
      {
        ids: ['ASVS 15.4.2'],
        level: 'L3',
        demands: 'Checking and acting are one atomic step.',
        measure:
          'A refresh is one function that locks the row, looks, decides and writes: of 40 at once with one token all get the same successor, and the row was rotated once.',
      },
      {
        ids: ['RFC 9700 4.3.2'],
        demands: 'No tokens in URLs.',
        measure: 'A token in a query counts for nothing; emailed links carry theirs in the fragment.',
      },
    ],
  },
  {
    title: 'Access tokens',
    requirements: [
      {
        ids: ['ASVS 9.1.1'],
        level: 'L1',
        demands: 'No claim is used before the signature was checked.',
        measure:
          '`jose` checks the signature first; any fault of a token ends in the same refusal. With any one character changed it is refused.',
      },
      {
        ids: ['RFC 8725 3.3'],
        demands: 'Every step of the check counts, and one that fails refuses the token.',
        measure: 'As above; a token of three parts is read whole or not at all.',
      },
      {
        ids: ['ASVS 9.1.2'],
        level: 'L1',
        demands: 'A fixed list of algorithms, of one kind.',
        measure:
          'ES256 and no other: the list has one entry and each key names the same. `none`, every HMAC keyed with the public key and other curves are refused.',
      },
      {
        ids: ['RFC 8725 3.1', 'RFC 8725 3.2'],
        demands: 'The algorithm is ours to choose, and one that is still good.',
        measure:
          'ES256 is fixed where tokens are made and where they are read; the header of a token decides nothing.',
      },
      {
        ids: ['ASVS 9.1.3'],
        level: 'L1',
        demands: 'Keys come from the configuration, not from the token.',
        measure:
          'The keys derived from JWT_SECRET are the only ones. `jwk`, `jku`, `x5u` and `x5c` are not read and nothing is fetched.',
      },
      {
        ids: ['RFC 8725 3.10'],
        demands: 'What a token says, its kid included, is a stranger’s input.',
        measure:
          '`kid` is compared with the two or three that we have; it reaches no file, statement or address.',
      },
      {
        ids: ['ASVS 9.2.1'],
        level: 'L1',
        demands: 'Not before nbf, not after exp.',
        measure:
          '15 minutes, good until the last second, without tolerance; a token without `exp` or `iat`, or with an `nbf` to come, is refused.',
      },
      {
        ids: ['ASVS 9.2.2'],
        level: 'L2',
        demands: 'A token serves only what it was made for.',
        measure:
          '`typ` must be `at+jwt`. Refresh tokens, emailed links and cookies are no JWTs: each purpose is signed under a key of its own.',
      },
      {
        ids: ['RFC 8725 3.11', 'RFC 8725 3.12'],
        demands: 'Kinds of tokens are told apart by type and by rules that exclude each other.',
        measure:
          'As above: none of them is accepted in another one’s place. How a session was authenticated is in `amr`, by the values of RFC 8176.',
      },
      {
        ids: ['ASVS 9.2.3', 'ASVS 9.2.4'],
        level: 'L2',
        demands: 'The audience is set and checked, and a token is for one receiver only.',
        measure:
          '`aud` and `iss` are the app’s origin, compared whole. The claims are iss, aud, sub, sid, role, amr, auth_time, iat and exp.',
      },
      {
        ids: ['RFC 8725 3.9', 'RFC 9700 2.3'],
        demands: 'Audience, and no wider rights than needed.',
        measure:
          'One audience; the role is the only right in it, and every endpoint reads it from the account again.',
      },
      {
        ids: ['RFC 8725 3.5', 'RFC 7518 3.2'],
        demands: 'Keys with enough entropy, as long as the hash.',
        measure:
          'JWT_SECRET is 32 random bytes or more, or nothing starts; words and patterns are refused. Each purpose has a key of its own by HKDF-SHA-256, 32 bytes for each HMAC-SHA-256.',
      },
      {
        ids: ['RFC 8725 3.8'],
        demands: 'The issuer owns the key, and the subject exists.',
        measure:
          'One issuer, one set of keys. Endpoints look the subject up, so the good token of a deleted account is refused; with `requireUser` it lasts 15 minutes at most.',
      },
      {
        ids: ['RFC 8725 3.7', '8725bis 3.14'],
        demands: 'UTF-8, and the compact form only.',
        measure:
          'Claims are UTF-8. A bearer token has letters, digits, `-`, `_` and `.`; the JSON forms and any other character are refused.',
      },
      {
        ids: ['CS JWT'],
        demands: 'Revocation by an id and not by the token’s text.',
        measure: 'By the session’s id in its row: no respelling of a token brings a revoked session back.',
      },
    ],
  },
  {
    title: 'Cryptography',
    requirements: [
      {
        ids: ['ASVS 11.1.1', 'ASVS 11.1.2'],
        level: 'L2',
        demands: 'The lifecycle of keys and an inventory of keys and algorithms.',
        measure:
          'docs/cryptography.md has every key with its label, size, use and lifetime, the algorithms, and how a key is made, rotated and removed. A test has the list of keys and derives each again; another one rotates the secret step by step.',
      },
      {
        ids: ['ASVS 11.1.3'],
        level: 'L3',
        demands: 'Uses of cryptography are found by a machine.',
        measure:
          'A test reads every source of the functions and the engine and compares their use of cryptography, name by name, with its inventory.',
      },
      {
        ids: ['ASVS 11.1.4'],
        level: 'L3',
        demands: 'A plan for the time after quantum computers.',
        measure:
          'docs/cryptography.md says what stays (HMAC, HKDF, SHA-256, argon2id), what goes (ES256) and how ML-DSA-44 takes its place; a test signs and verifies with it beside ES256.',
      },
      {
        ids: ['ASVS 11.2.1'],
        level: 'L2',
        demands: 'Proven implementations only.',
        measure:
          '`node:crypto` (OpenSSL), `jose`, `@node-rs/argon2` and `bcryptjs`, and none of it comes in by another way. The only arithmetic of ours is the reduction of a derived number to a P-256 key, after FIPS 186-5, A.2.1, and a test recomputes it.',
      },
      {
        ids: ['ASVS 11.2.2'],
        level: 'L2',
        demands: 'Algorithms, costs and keys can be exchanged.',
        measure:
          'JWT_SECRET is a list: the first signs, all verify, and a test shows that every kind of token, cookie, link and code outlasts the exchange. Hashes carry their cost and are renewed at login.',
      },
      {
        ids: ['ASVS 11.2.3', 'ASVS 11.4.3'],
        level: 'L2',
        demands: '128 bits of strength; hashes of 256 bits where collisions matter.',
        measure:
          'Keys of 256 bits, P-256 (128 bits), SHA-256 for every digest, of which all 32 bytes are kept and compared. The list of common passwords alone has 4 bytes of each: two that agree there refuse a password too many, and nothing else.',
      },
      {
        ids: ['ASVS 11.2.4'],
        level: 'L3',
        demands: 'Secrets are compared in constant time.',
        measure:
          'Only `timingSafeEqual` decides on refresh tokens, emailed links and codes, both other signed cookies and the cron’s secret; a family is looked up by its digest.',
      },
      {
        ids: ['ASVS 11.2.5'],
        level: 'L3',
        demands: 'Cryptographic errors refuse, and all in the same way.',
        measure:
          'Whatever is wrong with an access token or a session cookie, status, headers and body are those that garbage gets: 401. An emailed link that isn’t ours is `token-invalid`, expired or not.',
      },
      {
        ids: ['ASVS 11.4.1'],
        level: 'L1',
        demands: 'Approved hashes, no MD5.',
        measure:
          'SHA-256 everywhere, held by a test. SHA-1 sorts the list of breached passwords, of which five characters go out; it guards nothing.',
      },
      {
        ids: ['ASVS 11.5.1'],
        level: 'L2',
        demands: 'What must not be guessed has 128 random bits or more, and is no UUID.',
        measure:
          '`randomBytes(32)` for a family, `randomBytes(16)` under a MAC for a device cookie. Ids are UUIDs and count only under a MAC of 256 bits.',
        deviation:
          'The six digits beside an emailed link have 20 bits, as people type them. They are derived by an HMAC, differ for each email, can be tried five times an email and ten times a day an address, and do no more than the link: a registration needs its password or its browser, too.',
      },
      {
        ids: ['ASVS 11.5.2'],
        level: 'L3',
        demands: 'The generator holds under load.',
        measure:
          'OpenSSL’s generator, seeded by the operating system: 100,000 families drawn by four threads at once are all different.',
      },
      {
        ids: ['ASVS 11.6.1'],
        level: 'L2',
        demands: 'Approved ways to make keys and to sign.',
        measure:
          'ECDSA with P-256 and SHA-256. The pair is made of 40 bytes of HKDF-SHA-256, reduced as FIPS 186-5, A.2.1 has it.',
      },
      {
        ids: ['ASVS 11.7.2'],
        level: 'L3',
        demands: 'As little of the data as possible in use, and protected as soon as possible.',
        measure:
          'A password goes to the hash and nowhere else: neither it nor a token is in any database call, in what is stored or in the log, and passwords and sessions are in no email.',
        deviation:
          'JavaScript can’t wipe a string, so a password stays in the instance’s memory until it is collected. Only the request holds it, no cache and no module.',
      },
    ],
  },
]
