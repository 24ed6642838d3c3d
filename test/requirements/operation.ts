import type { Chapter } from './requirement.ts'

export const operation: readonly Chapter[] = [
  {
    title: 'Configuration and secrets',
    requirements: [
      {
        ids: ['ASVS 13.1.1', 'ASVS 13.2.4', 'ASVS 13.2.5'],
        level: 'L2',
        demands: 'The services that are called are documented, and no other is called',
        measure:
          'Three: the database, Resend and, where one is set, a list of breached passwords. `docs/operations.md` lists them, and a test has the module that calls each; their addresses come from the environment or the SDK, never from a request, and a redirect from any of them is an error.',
      },
      {
        ids: ['ASVS 13.1.2'],
        level: 'L3',
        demands: 'How many connections each service takes, and what happens at that number',
        measure:
          'Neon is called by one HTTP request an operation, with no pool. Any other Postgres has a pool of DATABASE_POOL_MAX connections an instance, 10 unless it is set. An instance sends one email after another. A service that refuses for being full is treated as away: 503 with `Retry-After`, or an email that waits.',
        deviation:
          'There is no number for all instances together: the platform starts functions, and they know nothing of one another. The limits by source and the queue of hashes bound what one network and one instance can cause.',
      },
      {
        ids: ['ASVS 13.1.3', 'ASVS 13.2.6'],
        level: 'L3',
        demands: 'Time limits, bounded retries and a fallback for each service',
        measure:
          'The database has 5 s, an email 10 s, the breach list 1 s. A refresh and a read are tried once more when the connection was lost, nothing else is; an email is tried for a day with growing waits; without the breach list the other rules decide.',
      },
      {
        ids: ['ASVS 13.1.4'],
        level: 'L3',
        demands: 'Critical secrets are listed with a schedule for their rotation',
        measure: '`docs/operations.md` names each secret, what it opens, how and how often it is replaced.',
        documented: 'docs/operations.md',
      },
      {
        ids: ['ASVS 13.3.4'],
        level: 'L3',
        demands: 'Secrets expire and are rotated as documented',
        measure:
          '`JWT_SECRET` is a list: the first signs, all verify, so it is rotated without signing anybody out; a secret that is removed from it verifies nothing.',
        deviation:
          'No secret expires by itself: Vercel’s variables, the database’s passwords and Resend’s keys don’t. The schedule is kept by hand.',
      },
      {
        ids: ['ASVS 13.2.1'],
        level: 'L2',
        demands: 'Back ends authenticate one another with individual, short-lived credentials',
        measure:
          'The database is called with the password of a role that only the functions have, Resend with a key that only needs to send, maintenance with a secret of its own; each over TLS.',
        deviation:
          'These are static: neither a connection string nor Resend’s key is offered as a short-lived token on the plans that this is for. Each is the credential of one use, and the docs say when to replace it.',
      },
      {
        ids: ['ASVS 13.3.3'],
        level: 'L3',
        demands: 'Cryptography with secrets happens in an isolated module',
        measure:
          'All keys are derived from `JWT_SECRET` inside `lib/crypto/keys.ts`, one label a purpose, and leave it as MACs, signatures and public keys.',
        deviation:
          'It is a module of the same process: there is no vault or HSM behind it, since a call to one would add a round trip to each request. A function that is taken over has the secret; replacing it ends every session.',
      },
      {
        ids: ['ASVS 13.2.2', 'ASVS 13.2.3'],
        level: 'L2',
        demands: 'Least privilege between back ends, and no default credentials',
        measure:
          'The functions’ role may execute the engine’s public functions and nothing else: no table, no DDL, no other schema, no operator’s function. A deployment with the values of an example, without a database password or with a secret that isn’t random does not start.',
      },
      {
        ids: ['ASVS 13.3.1'],
        level: 'L2',
        demands: 'No secret in the code or in what is built from it',
        measure:
          'Secrets are Vercel’s environment variables, read when a function starts. A test looks through every tracked file for private keys, keys of providers, passwords in addresses and anything that looks like 32 random bytes.',
      },
      {
        ids: ['ASVS 13.3.2'],
        level: 'L2',
        demands: 'Who and what can reach a secret is limited to what needs it',
        measure:
          'Only `lib/env.ts` reads the environment, and nothing deployed names the owner’s connection string. Resend’s key only needs sending access.',
        deviation:
          'Vercel gives a variable both to the build and to the functions, so the owner’s connection string that migrations use is within their reach. `docs/operations.md` says how to keep it elsewhere.',
      },
      {
        ids: ['ASVS 13.4.1'],
        level: 'L1',
        demands: 'No source control metadata is served',
        measure: 'What is served is the folder `public` and the functions; every other path is 404.',
        deployment: true,
      },
      {
        ids: ['ASVS 13.4.3'],
        level: 'L2',
        demands: 'No directory listings',
        measure: 'Vercel lists no directories.',
        platform: true,
      },
      {
        ids: ['ASVS 13.4.5'],
        level: 'L2',
        demands: 'No documentation or monitoring that was not meant to be public',
        measure:
          'The public pages are the demo, those of emailed links and the one that explains the problems; there is no monitoring endpoint.',
        deployment: true,
      },
      {
        ids: ['ASVS 13.4.7'],
        level: 'L3',
        demands: 'Only files of known kinds are served',
        measure:
          '`public` has pages, scripts, styles and SVG; sources, settings and the lock file are not in it.',
        deployment: true,
      },
      {
        ids: ['ASVS 13.4.2'],
        level: 'L2',
        demands: 'No debug mode in production',
        measure:
          'We have no debug mode; the one of Resend’s SDK keeps a deployment from starting. An error shows nothing but a request id.',
        deployment: true,
      },
      {
        ids: ['ASVS 13.4.4'],
        level: 'L2',
        demands: 'No TRACE',
        measure: 'Vercel’s edge refuses TRACE; a method that a function doesn’t serve is 405.',
        platform: true,
      },
      {
        ids: ['ASVS 13.4.6'],
        level: 'L3',
        demands: 'No versions of components in responses',
        measure: 'No response of ours names a version; there is no `X-Powered-By`. `Server` is Vercel’s.',
        platform: true,
      },
    ],
  },
  {
    title: 'Data protection',
    requirements: [
      {
        ids: ['ASVS 14.1.1', 'ASVS 14.1.2', 'ASVS 14.2.4'],
        level: 'L2',
        demands: 'Data is classified, the access token too, and each class protected as documented',
        measure:
          '`docs/data.md` classifies what is stored and says how each class is protected; a test has the personal and the secret columns of the schema, and finds any other. Secrets are stored only as hashes; the access token has ids, the role and how the session was authenticated.',
      },
      {
        ids: ['ASVS 14.2.1'],
        level: 'L1',
        demands: 'No secret in a URL or a query that is sent to a server',
        measure:
          'A emailed link has its token in the fragment; tokens and passwords are read from the body, bearer tokens from the header, and nothing of the kind from a query.',
      },
      {
        ids: ['ASVS 14.2.2', 'ASVS 14.3.2'],
        level: 'L2',
        demands: 'Nothing sensitive is cached, by a server or the browser',
        measure:
          'Every response is `no-store`, refusals too; only the public keys may be cached, for 5 minutes.',
      },
      {
        ids: ['ASVS 14.2.5'],
        level: 'L3',
        demands: 'A path that only looks like a file does not return somebody’s data',
        measure: 'There is nothing below an endpoint: `/api/auth/account/x.css` is 404.',
      },
      {
        ids: ['ASVS 14.2.3'],
        level: 'L2',
        demands: 'Nothing goes to trackers',
        measure:
          'Emails and pages load nothing and link only to the app’s own origin; open and click tracking are off, and `docs/data.md` says to leave them so.',
      },
      {
        ids: ['ASVS 14.2.6'],
        level: 'L3',
        demands: 'The least of sensitive data is returned',
        measure:
          'The account is id, address, `emailVerified` and role; a session has browser and system, its IP address without the last part (IPv4) or cut to 48 bits (IPv6), and its last use in steps of 15 minutes.',
      },
      {
        ids: ['ASVS 14.2.7'],
        level: 'L3',
        demands: 'Data is deleted automatically when its retention is over',
        measure:
          'Maintenance removes registrations after 7 days, sessions at their absolute expiry, expired tokens and old emails after 30 days, unused limits at once, IP addresses of events after 90 days and events after 400; an account is deleted with everything that belongs to it.',
      },
      {
        ids: ['ASVS 14.3.1'],
        level: 'L1',
        demands: 'What a client keeps is cleared when the session ends',
        measure:
          'Signing out clears the session’s cookies with the attributes they were set with and sends `Clear-Site-Data: "cache"`; what stays is the device cookie, which opens nothing. What the app itself keeps is for the app to clear.',
      },
      {
        ids: ['ASVS 14.3.3'],
        level: 'L2',
        demands: 'Browser storage holds nothing sensitive but session tokens',
        measure:
          'The pages use no browser storage: signed cookies that scripts can’t read, one readable cookie that says `1`, and the access token in memory.',
      },
    ],
  },
  {
    title: 'Logging and errors',
    requirements: [
      {
        ids: ['ASVS 16.1.1', 'ASVS 16.2.3'],
        level: 'L2',
        demands: 'An inventory of what is logged, where, for how long; and logs go only there',
        measure:
          '`docs/operations.md` has the log’s events and fields, who reads them and how long they are kept, `docs/events.md` the audit log’s; tests have the lists of both. Only `lib/log.ts` writes to the console.',
      },
      {
        ids: ['ASVS 16.2.1', 'ASVS 16.2.2', 'ASVS 16.2.4'],
        level: 'L2',
        demands: 'Entries say when, where, who and what, on one clock and in one format',
        measure:
          'A line is JSON with the time in UTC, level, event, request id, method, path, status and code. An event of the audit log has the same request id with account, session and IP address, by the database’s clock.',
      },
      {
        ids: ['ASVS 16.2.5'],
        level: 'L2',
        demands: 'What must not be logged is not',
        measure:
          'A line is made of named fields, none of which is for an address, a password, a token, a cookie or a statement; the whole life of an account, errors included, leaves none of them in the log.',
      },
      {
        ids: ['ASVS 16.3.1'],
        level: 'L2',
        demands: 'Every authentication is logged, successful or not',
        measure:
          'Sign-ins, failed ones with the account they were for, verification, reset and sign-out are events of the audit log, and so are a refresh that recovered a session, was refused or was reuse; any other refresh is a line of the log, and so is every refusal with its code.',
      },
      {
        ids: ['ASVS 16.3.2'],
        level: 'L2',
        demands: 'Refused authorization is logged',
        measure: 'Each 401, 403 and 404 is a line with its code, 403 at the level `warn`.',
      },
      {
        ids: ['ASVS 16.3.3', 'ASVS 16.3.4'],
        level: 'L2',
        demands: 'Attempts to get around a control, throttling and unexpected errors are logged',
        measure:
          'A request from another site and a limit that was reached are lines at `warn`; refresh token reuse is an event, an email and a line at `error`; a locked password is an event and an email; a service whose certificate isn’t valid, and whatever throws, is a line of its own.',
      },
      {
        ids: ['ASVS 16.4.1'],
        level: 'L2',
        demands: 'Nothing a client sends can forge an entry',
        measure: 'A line is written by `JSON.stringify`; a malformed request id is replaced.',
      },
      {
        ids: ['ASVS 16.4.2'],
        level: 'L2',
        demands: 'Nobody unauthorized can read or change logs',
        measure:
          'The functions’ role can execute functions that add to the audit log or remove what is past its retention, and can neither read nor change the table; the log is Vercel’s, to which functions can only append.',
      },
      {
        ids: ['ASVS 16.4.3'],
        level: 'L2',
        demands: 'Logs are sent to a system of their own',
        measure:
          'Lines leave the function at once for Vercel’s log; `docs/operations.md` says how to add a log drain to a store of one’s own.',
        deviation:
          'The drain belongs to the team at Vercel and not to the code, so nothing here can set it up or show that it is there. Without one the log is kept for an hour to some days, and the audit log for 400 days.',
      },
      {
        ids: ['ASVS 16.5.1'],
        level: 'L2',
        demands: 'A generic response to unexpected errors',
        measure:
          'Whatever a handler throws is a 500 problem with the request id and nothing about the error; the log has its name, message and stack, and of a statement only its SQLSTATE and names.',
      },
      {
        ids: ['ASVS 16.5.4'],
        level: 'L3',
        demands: 'A handler of last resort',
        measure:
          'Every function is made by `endpoint()`, which catches what its handler throws or rejects with.',
      },
      {
        ids: ['ASVS 16.5.2'],
        level: 'L2',
        demands: 'It keeps working safely when a service fails',
        measure:
          'With the database away every endpoint but the public keys is 503 and touches no cookie; with Resend away responses are the same and emails wait; with the breach list away passwords only have to pass the other rules.',
      },
      {
        ids: ['ASVS 16.5.3'],
        level: 'L2',
        demands: 'It fails securely',
        measure:
          'Limits, counts and sessions are read by the function in the database that decides, so without the database nothing is let in; a result of a kind that the code doesn’t know refuses.',
      },
    ],
  },
  {
    title: 'What else applies to such a service',
    requirements: [
      {
        ids: ['ASVS 1.2.4'],
        level: 'L1',
        demands: 'Parameterized statements only',
        measure:
          'The functions send one kind of statement, the call of a function of the engine, whose values are all typed parameters. In the engine, only the maintenance of event partitions builds a statement, by `format()` from dates.',
      },
      {
        ids: ['ASVS 1.3.11'],
        level: 'L2',
        demands: 'Input cannot inject into emails',
        measure:
          'An address with a line break is 422 at every endpoint that takes one; values in an email’s HTML are escaped, and a subject is one line. Emails are sent as JSON, not by SMTP.',
      },
      {
        ids: ['ASVS 8.2.1', 'ASVS 8.2.2', 'ASVS 8.3.1'],
        level: 'L1',
        demands: 'Access is decided on the server, for each function and each object',
        measure:
          'Every operation on a session or an account begins with the live session that the request shows, and reaches only that account’s rows; the id of another account’s session is 404 like an unknown one.',
      },
      {
        ids: ['ASVS 12.1.1'],
        level: 'L1',
        demands: 'Only TLS 1.2 and 1.3',
        measure: 'Vercel’s edge terminates TLS.',
        platform: true,
      },
      {
        ids: ['ASVS 12.2.1'],
        level: 'L1',
        demands: 'TLS towards clients, without a fallback',
        measure: 'Plain http is redirected, and HSTS keeps browsers from trying it.',
        deployment: true,
      },
      {
        ids: ['ASVS 12.3.1', 'ASVS 12.3.2'],
        level: 'L2',
        demands: 'TLS with verified certificates towards every service',
        measure:
          'A deployment calls its services over HTTPS with Node’s verification on, and does not start when that is switched off; connections to Postgres by TCP verify the certificate whatever `sslmode` says.',
      },
      {
        ids: ['ASVS 15.1.1'],
        level: 'L1',
        demands: 'How soon vulnerable dependencies are replaced is documented',
        measure: '`SECURITY.md`: within 7 days where it is critical, within 30 where it is high.',
        documented: 'SECURITY.md',
      },
      {
        ids: ['ASVS 15.2.1'],
        level: 'L1',
        demands: 'Vulnerable dependencies are replaced within that time',
        measure:
          'Every check asks the registry and fails on a vulnerability that is high or critical. Where a registry has no audit, the check says so.',
      },
      {
        ids: ['ASVS 15.2.2'],
        level: 'L2',
        demands: 'Costly work cannot take the service down',
        measure:
          'Limits are consumed before the hash, but for a reset by link; an instance computes 2 hashes at once, lets 20 wait and is 503 to the rest.',
      },
      {
        ids: ['ASVS 15.3.1'],
        level: 'L1',
        demands: 'Only the intended fields are returned',
        measure: 'Responses are built field by field; no row is returned as it is.',
      },
      {
        ids: ['ASVS 15.3.3'],
        level: 'L2',
        demands: 'Only the intended fields are accepted',
        measure: 'Every body and query has a schema, and an unknown key is 422.',
      },
      {
        ids: ['ASVS 15.3.5', 'ASVS 15.3.6', 'ASVS 15.3.7'],
        level: 'L2',
        demands: 'Strict types, no pollution of prototypes or parameters',
        measure:
          'A value of another type is 422 and never converted; `__proto__` is a key like any unknown one; a name given twice, in a body or a query, is refused.',
      },
    ],
  },
]
