import type { Chapter } from './requirement.ts'

/** Sessions, the turns of refresh tokens, access tokens, cryptography. */
export const sessions: readonly Chapter[] = [
  {
    title: 'Sessions',
    requirements: [
      {
        ids: ['ASVS 7.1.1'],
        level: 'L2',
        demands: 'Idle and absolute end written down, with reasons.',
        measure:
          'A session ends 7 days after its last turn and 30 days after its sign-in, whichever is sooner. docs/security.md has both with the reasons, and a test compares it with the code.',
      },
      {
        ids: ['63B-4 2.1.3', '63B-4 5.2'],
        demands: 'A definite end of every session, at most 30 days with one factor.',
        measure:
          '30 days from the sign-in, never moved; the idle end of 7 days is more than is asked for at AAL1. AAL2, with 24 hours and one hour idle, is not claimed, since there is no second factor.',
      },
      {
        ids: ['ASVS 7.1.2'],
        level: 'L2',
        demands: 'How many sessions at once, and what happens beyond, written down.',
        measure: '50 an account; one more sign-in ends the one that was opened first, with an event.',
      },
      {
        ids: ['ASVS 7.2.1', 'ASVS 7.2.2'],
        level: 'L1',
        demands: 'Tokens are checked on the server and made for the session, no static keys.',
        measure:
          'Cookie and access token are checked by seal or signature and then against the row, in every function that a session opens. Each sign-in draws a new family; what a browser brings along is never taken on.',
      },
      {
        ids: ['ASVS 7.2.3'],
        level: 'L1',
        demands: 'Reference tokens are unique, random, 128 bits or more.',
        measure: '256 bits from the operating system’s generator for each family, under a seal of 256 bits.',
      },
      {
        ids: ['ASVS 7.2.4'],
        level: 'L1',
        demands: 'Signing in, also once more, makes a new token and ends the one presented.',
        measure:
          'A sign-in ends the session that came with it, a change of password replaces it. The password that a change of address or a deletion asks for serves that one request: it neither prolongs the session nor makes it a fresh one.',
      },
      {
        ids: ['ASVS 7.3.1', 'ASVS 7.3.2'],
        level: 'L2',
        demands: 'After the idle and after the absolute end one has to sign in again.',
        measure:
          'Both are compared with the database’s clock in every statement that takes a session, 7 days unused and 30 days in all, however often it was turned.',
      },
      {
        ids: ['ASVS 7.4.1'],
        level: 'L1',
        demands: 'After a logout or the end nothing of the session works.',
        measure:
          'Every endpoint looks at the row, for an unexpired access token, too. An app’s own function chooses: `requireSession` does the same, `requireUser` reads the signature alone and says that it is up to 15 minutes behind.',
      },
      {
        ids: ['ASVS 7.4.2'],
        level: 'L1',
        demands: 'A disabled or deleted account has no session any more.',
        measure:
          'Each look at a session is joined with its account: refused from the moment `disabled_at` is set, gone with the account’s row. The command that shuts an account also ends its sessions, so they do not come back with it.',
      },
      {
        ids: ['ASVS 7.4.3'],
        level: 'L2',
        demands: 'A new password can end all other sessions.',
        measure: 'It always does: a reset ends all of them, a change ends the others and replaces its own.',
      },
      {
        ids: ['ASVS 7.4.5'],
        level: 'L2',
        demands: 'Operators can end the sessions of one person or of everyone.',
        measure:
          '`npm run admin` ends the sessions of one account, one session or everyone’s, and shuts an account, each with an event for each session that says who did it; docs/security.md has statements that do the same, which a test runs as they stand there. Another JWT_SECRET in place of the old one ends everything that was handed out. A person ends all of their own by logout everywhere.',
      },
      {
        ids: ['ASVS 7.5.1'],
        level: 'L2',
        demands: 'What recovers an account changes only after its owner has proven to be there.',
        measure:
          'The address is the only such thing. A change asks for the current password, the new address confirms it, in a browser that is signed in or with the password again, and the old one can stop it.',
      },
      {
        ids: ['ASVS 7.5.2'],
        level: 'L2',
        demands: 'People see their sessions and end any of them, after proving who they are again.',
        measure:
          'The list has browser, coarse address, first and last use and the end. Ending another device takes a sign-in within the last 5 minutes, else 403. Signing oneself out, also everywhere, asks for nothing: it only takes access away.',
      },
      {
        ids: ['CS Credential Stuffing sessions'],
        demands: 'People can look at the devices that are signed in and end them.',
        measure: 'GET and DELETE of /api/auth/sessions, as above.',
      },
      {
        ids: ['ASVS 7.5.3'],
        level: 'L3',
        demands: 'Highly sensitive operations ask for further proof.',
        measure:
          'Other devices end only within 5 minutes of a sign-in, by the time in the row and not by the age of a token; password, address and deletion ask for the current password each time, and its guesses are counted for each session.',
      },
      {
        ids: ['63B-4 5.1.2'],
        demands: 'An access token is no proof that the person is there.',
        measure:
          'A fresh access token ends no other device when the password was given more than 5 minutes ago; `requireSession` tells the app’s functions how it stands, as `authenticatedRecently`.',
      },
      {
        ids: ['63B-4 5.1 secrets'],
        demands:
          'Session secrets: 64 bits, made at the sign-in, gone at the logout, not kept by scripts or across restarts, https alone.',
        measure:
          '256 bits, drawn at the sign-in, in an HttpOnly `__Host-` cookie that only https carries and that a logout clears; no page of ours writes to the browser’s storage.',
        deviation:
          'The cookie has a Max-Age and survives a restart of the browser. Phones end browsers at will and browsers restore cookies with their tabs, so sessions would end by accident otherwise. The row decides when it is over, and a forgotten device is ended from another one.',
      },
      {
        ids: ['CS Session Management'],
        demands:
          'Only ids that the server issued, in the cookie alone; new ones when rights change; none in logs.',
        measure:
          'A refresh token counts in its cookie and nowhere else, and only when sealed here and known to a row, as the digest of its family. A sign-in draws a new one. Roles are read from the account at every look. Logs and statements hold neither tokens nor families.',
      },
    ],
  },
  {
    title: 'Turns of the refresh token',
    requirements: [
      {
        ids: ['RFC 9700 2.2.2'],
        demands: 'A public client’s refresh tokens are bound to their sender or turned.',
        measure:
          'They turn: a refresh more than 30 seconds after the last turn raises the generation of the family, and the one before is worth nothing 30 seconds later.',
      },
      {
        ids: ['RFC 9700 4.14.2'],
        demands:
          'A used token dies, its return ends its line; tokens end after disuse, logout or a new password.',
        measure:
          'There is one row a family. An older token than the row allows ends it, with an event and a mail to the owner. So do a logout, a new password, the list of devices and 7 days unused.',
        deviation:
          'For 30 seconds after a turn the token before still gets the very same successor, and a refresh within 30 seconds of a turn gets the same token again. Two tabs, a retry and a lost answer would otherwise look like theft. The successor is derived and not drawn, so a second line cannot come of it, and a thief gains no token that the spent one did not give.',
      },
      {
        ids: ['ASVS 10.4.5'],
        level: 'L1',
        demands: 'The return of a spent refresh token revokes all of its line.',
        measure:
          'The token of two turns ago or older at once, the one before after 30 seconds: the row is revoked, and with it the newest refresh token and every access token where the row is looked at.',
      },
      {
        ids: ['ASVS 10.4.5 sender-constrained'],
        level: 'L3',
        demands: 'Refresh tokens bound to their sender, by DPoP or mutual TLS.',
        measure: 'Turned and watched for reuse instead, as levels 1 and 2 allow.',
        deviation:
          'DPoP needs a key that a script holds, which an httpOnly cookie spares, and browsers have no client certificates for this. The cookie is out of reach of scripts, bound to the host, and a copy of it is found out at the next turn.',
      },
      {
        ids: ['ASVS 10.4.8'],
        level: 'L2',
        demands: 'Refresh tokens have an absolute end, though the idle end slides.',
        measure:
          'The end is written at the sign-in, 30 days on, and no turn moves it: the idle end and the cookie’s Max-Age stop there.',
      },
      {
        ids: ['BBA 6.3.2.3'],
        demands: 'A turned token does not outlive what the first one was given.',
        measure: 'All generations of a family share the one end in their row.',
      },
      {
        ids: ['ASVS 10.4.9'],
        level: 'L2',
        demands: 'People can revoke refresh tokens.',
        measure:
          'By logout, from the list of devices and by a new password; unused for 7 days they end by themselves.',
      },
      {
        ids: ['ASVS 15.4.2'],
        level: 'L3',
        demands: 'Checking and acting are one step.',
        measure:
          'A turn is one UPDATE that decides on the locked row: of 40 refreshes at once with one token all get the same successor, and the row has turned once.',
      },
      {
        ids: ['RFC 9700 4.3.2'],
        demands: 'No tokens in addresses.',
        measure: 'A token in a query counts nowhere; mailed links carry theirs in the fragment.',
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
          '`typ` must be `at+jwt`. Refresh tokens, mailed links and cookies are no JWT: they are sealed under a key of their own for each purpose.',
      },
      {
        ids: ['RFC 8725 3.11', 'RFC 8725 3.12'],
        demands: 'Kinds of tokens are told apart by type and by rules that exclude each other.',
        measure: 'As above: none of them is accepted in another one’s place.',
      },
      {
        ids: ['ASVS 9.2.3', 'ASVS 9.2.4'],
        level: 'L2',
        demands: 'The audience is set and checked, and a token means one receiver alone.',
        measure:
          '`aud` and `iss` are the app’s origin, compared whole. The claims are iss, aud, sub, sid, role, iat and exp.',
      },
      {
        ids: ['RFC 8725 3.9', 'RFC 9700 2.3'],
        demands: 'Audience, and no wider rights than needed.',
        measure:
          'One audience; the role is the only right in it, and every endpoint reads it from the account anew.',
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
        demands: 'UTF-8, and the compact form alone.',
        measure:
          'Claims are UTF-8. A bearer token has letters, digits, `-`, `_` and `.`; the JSON forms and any other character are refused.',
      },
      {
        ids: ['CS JWT'],
        demands: 'Revocation by an id and not by the token’s text.',
        measure: 'By the session’s id in its row: no respelling of a token brings an ended session back.',
      },
    ],
  },
  {
    title: 'Cryptography',
    requirements: [
      {
        ids: ['ASVS 11.1.1', 'ASVS 11.1.2'],
        level: 'L2',
        demands: 'The life of keys and an inventory of keys and algorithms.',
        measure:
          'docs/cryptography.md: ten keys with label, size, use and the life of what they make, the algorithms, how a key is made, exchanged and taken away. A test derives each key anew and compares; another one exchanges the secret step by step.',
      },
      {
        ids: ['ASVS 11.1.3'],
        level: 'L3',
        demands: 'Uses of cryptography are found by a machine.',
        measure:
          'A test reads every source of the functions and compares their imports of cryptography, name by name, with the inventory.',
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
        demands: 'Proven implementations alone.',
        measure:
          '`node:crypto` (OpenSSL), `jose` and `@node-rs/argon2`, and none of it comes in by another way. The only arithmetic of ours is the reduction of a derived number to a P-256 key, after FIPS 186-5, A.2.1, and a test recomputes it.',
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
          '`timingSafeEqual` alone decides on refresh tokens, mailed links and codes, both sealed cookies and the cron’s secret; a family is looked up by its digest.',
      },
      {
        ids: ['ASVS 11.2.5'],
        level: 'L3',
        demands: 'Faults of cryptography refuse, and all alike.',
        measure:
          'Whatever is wrong with an access token or a session cookie, status, headers and body are those that garbage gets: 401. A mailed link that is not ours is `token-invalid`, expired or not.',
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
          '`randomBytes(32)` for a family, `randomBytes(16)` under a seal for a known browser. Ids are UUIDs and count only under a seal of 256 bits.',
        deviation:
          'The six digits beside a mailed link have 20 bits, as people type them. They are taken from an HMAC, differ for each mail, can be tried five times a mail and ten times a day an address, and do no more than the link: a registration asks for its password or its browser as well.',
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
          'A password goes to the hash and nowhere else: neither it nor a token is in any call of the database, in what is stored or in the log, and passwords and sessions are in no mail.',
        deviation:
          'JavaScript cannot wipe a string, so a password stays in the memory of its instance until that is collected. It is held by the request alone, in no cache and no module.',
      },
    ],
  },
]
