import type { Chapter } from './requirement.ts'

export const operation: readonly Chapter[] = [
  {
    title: 'Configuration and secrets',
    requirements: [
      {
        ids: ['ASVS 13.1.1', 'ASVS 13.2.4', 'ASVS 13.2.5'],
        level: 'L2',
        demands: 'The services that are called are written down, and no other is called',
        measure:
          'Three peers: Neon, Resend and, where one is set, a list of breached passwords. `docs/operations.md` lists them with the module that calls each; their addresses come from the environment or the SDK, never from a request, and a redirect of any of them is an error.',
      },
      {
        ids: ['ASVS 13.1.2'],
        level: 'L3',
        demands: 'How many connections each service takes, and what happens at that number',
        measure:
          'Every call is an HTTP request of its own, so nothing holds a connection or a pool; an instance sends one mail after another. A peer that refuses for being full is treated as away: 503 with `Retry-After`, or a mail that waits.',
        deviation:
          'There is no number of our own for requests to Neon at once: functions are started by the platform, and instances know nothing of one another. The limits of the source and the queue of hashes bound what one instance and one network can cause.',
      },
      {
        ids: ['ASVS 13.1.3', 'ASVS 13.2.6'],
        level: 'L3',
        demands: 'Time limits, bounded retries and a fallback for each service',
        measure:
          'The database has 5 s, a mail 10 s, the breach list 1 s. A refresh and a read are tried once more when the connection failed, nothing else is; a mail is tried for a day with growing waits; without the breach list the other rules decide.',
      },
      {
        ids: ['ASVS 13.1.4'],
        level: 'L3',
        demands: 'Critical secrets are listed with a schedule for their rotation',
        measure:
          '`docs/operations.md` names each of the five secrets, what it opens, how it is replaced and that it is replaced every 12 months.',
      },
      {
        ids: ['ASVS 13.3.4'],
        level: 'L3',
        demands: 'Secrets expire and are rotated as written down',
        measure:
          '`JWT_SECRET` is a list: the first signs, all verify, so it is rotated without signing anybody out; a secret that is dropped from it opens nothing.',
        deviation:
          'No secret expires by itself: Vercel’s variables, Neon’s passwords and Resend’s keys have no end. The schedule is kept by hand.',
      },
      {
        ids: ['ASVS 13.2.1'],
        level: 'L2',
        demands: 'Back ends authenticate one another with individual, short-lived credentials',
        measure:
          'Neon is called with the password of a role that only the functions have, Resend with a key that need only send, maintenance with a secret of its own; each over TLS.',
        deviation:
          'These are static: neither Neon’s connection string nor Resend’s key can be had as a short-lived token on the plans that this is made for. Each is the credential of one use, and the docs say when to replace it.',
      },
      {
        ids: ['ASVS 13.3.3'],
        level: 'L3',
        demands: 'Cryptography with secrets happens in an isolated module',
        measure:
          'All keys are derived from `JWT_SECRET` inside `lib/keys.ts`, one label a purpose, and leave it as MACs, signatures and public keys.',
        deviation:
          'It is a module of the same process: there is no vault or HSM behind it, since a call to one would add a round trip to each request. A function that is taken over has the secret; replacing it ends every session.',
      },
      {
        ids: ['ASVS 13.2.2', 'ASVS 13.2.3'],
        level: 'L2',
        demands: 'Least privilege between back ends, and no default credentials',
        measure:
          '`drizzle/runtime-role.sql` grants the functions the columns that their statements read and write: no DDL, no other schema, no change of a role, no rewriting of the trail. A deployment with the values of an example, a database password left out or a secret that is not random does not start.',
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
          '`lib/env.ts` is the one place that reads the environment, and nothing deployed names the owner’s connection string. Resend’s key needs sending access alone.',
        deviation:
          'Vercel gives a variable to the build and to the functions alike, so the owner’s connection string that migrations use is within their reach. `docs/operations.md` says how to keep it elsewhere.',
      },
      {
        ids: ['ASVS 13.4.1'],
        level: 'L1',
        demands: 'Nothing of the source control is served',
        measure: 'What is served is the folder `public` and the functions; every other path is 404.',
        deployment: true,
      },
      {
        ids: ['ASVS 13.4.3', 'ASVS 13.4.5'],
        level: 'L2',
        demands: 'No directory listings, no documentation or monitoring that was not meant to be public',
        measure:
          'The platform lists no directories. The public pages are the demo, those of mailed links and the one that explains the problems; there is no monitoring endpoint.',
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
        ids: ['ASVS 13.4.2', 'ASVS 13.4.4'],
        level: 'L2',
        demands: 'No debug mode in production, no TRACE',
        measure:
          'There is no debug mode of ours; the one of Resend’s SDK keeps a deployment from starting. A method that is not served is 405 or the platform’s own refusal, and a fault shows nothing but a request id.',
        deployment: true,
      },
      {
        ids: ['ASVS 13.4.6'],
        level: 'L3',
        demands: 'No versions of components in answers',
        measure: 'No answer of ours names a version; there is no `X-Powered-By`.',
        deployment: true,
      },
    ],
  },
  {
    title: 'Data protection',
    requirements: [
      {
        ids: ['ASVS 14.1.1', 'ASVS 14.1.2', 'ASVS 14.2.4'],
        level: 'L2',
        demands: 'Data is classified, the access token too, and each class guarded as written down',
        measure:
          '`docs/data.md` puts every column of the schema and every cookie into one of three classes and says how each is guarded. Secrets are stored as hashes alone; the access token has ids and the role.',
      },
      {
        ids: ['ASVS 14.2.1'],
        level: 'L1',
        demands: 'No secret in a URL or a query that is sent to a server',
        measure:
          'A mailed link has its token behind the `#`; tokens and passwords are taken from the body, bearer tokens from the header, and nothing of the kind from a query.',
      },
      {
        ids: ['ASVS 14.2.2', 'ASVS 14.3.2'],
        level: 'L2',
        demands: 'Nothing sensitive is kept by a cache, the server’s or the browser’s',
        measure:
          'Every answer is `no-store`, refusals too; the public keys alone may be kept, for 5 minutes.',
      },
      {
        ids: ['ASVS 14.2.5'],
        level: 'L3',
        demands: 'An address that only looks like a file is not answered with somebody’s data',
        measure: 'Beneath an endpoint there is nothing: `/api/auth/account/x.css` is 404.',
      },
      {
        ids: ['ASVS 14.2.3'],
        level: 'L2',
        demands: 'Nothing goes to trackers',
        measure:
          'Mails and pages load nothing and lead nowhere but to the own origin; open and click tracking are off, and `docs/data.md` says to leave them so.',
      },
      {
        ids: ['ASVS 14.2.6'],
        level: 'L3',
        demands: 'The least of sensitive data is returned',
        measure:
          'The account is id, address, `emailVerified` and role; a device is named in words, its IP address without the last part (IPv4) or cut to 48 bits (IPv6).',
      },
      {
        ids: ['ASVS 14.2.7'],
        level: 'L3',
        demands: 'Data is deleted by itself when its time is over',
        measure:
          'Maintenance removes registrations after 7 days, ended sessions, expired tokens and old mails after 30, empty buckets at once, and takes IP addresses out of events after 90; the operator’s purge removes events after 400; an account is deleted with all that is its own.',
      },
      {
        ids: ['ASVS 14.3.1'],
        level: 'L1',
        demands: 'What a client keeps is cleared when the session ends',
        measure:
          'Signing out clears the session’s cookies with the attributes they were set with and sends `Clear-Site-Data: "cache"`; nothing else of ours is in the browser. What the app itself keeps is the app’s own to clear.',
      },
      {
        ids: ['ASVS 14.3.3'],
        level: 'L2',
        demands: 'Browser storage holds nothing sensitive but session tokens',
        measure:
          'The pages use no browser storage: sealed cookies that scripts cannot read, one readable cookie that says `1`, and the access token in memory.',
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
          '`docs/operations.md` lists every event of the log, its fields, who reads them and for how long they are kept, `docs/events.md` the same of the trail. `lib/log.ts` alone writes to the console.',
      },
      {
        ids: ['ASVS 16.2.1', 'ASVS 16.2.2', 'ASVS 16.2.4'],
        level: 'L2',
        demands: 'Entries say when, where, who and what, on one clock and in one format',
        measure:
          'A line is JSON with the time in UTC, level, event, request id, method, path, status and code. The event of the trail has the same request id with account, session and IP address, on the database’s clock.',
      },
      {
        ids: ['ASVS 16.2.5'],
        level: 'L2',
        demands: 'What must not be logged is not',
        measure:
          'A line is made of ten named fields, none of which is for an address, a password, a token, a cookie or a statement; a whole life of an account, faults included, leaves none of them in the log.',
      },
      {
        ids: ['ASVS 16.3.1'],
        level: 'L2',
        demands: 'Every authentication is logged, good or bad',
        measure:
          'Sign-ins, failed ones with whom they were meant for, verification, reset and sign-out are events of the trail; a refresh is a line of the log, and so is every refusal with its code.',
      },
      {
        ids: ['ASVS 16.3.2'],
        level: 'L2',
        demands: 'Refused authorisation is logged',
        measure: 'Each 401, 403 and 404 is a line with its code, 403 at the level `warn`.',
      },
      {
        ids: ['ASVS 16.3.3', 'ASVS 16.3.4'],
        level: 'L2',
        demands: 'Attempts to get around a control, throttling and unexpected errors are logged',
        measure:
          'Another site’s request and a limit that was reached are lines at `warn`; an outdated token is an event, a mail and a line at `error`; a locked password is an event and a mail; a peer whose certificate is not good, and whatever throws, is a line of its own.',
      },
      {
        ids: ['ASVS 16.4.1'],
        level: 'L2',
        demands: 'Nothing a client sends can forge an entry',
        measure: 'A line is written by `JSON.stringify`; a request id that is none is replaced.',
      },
      {
        ids: ['ASVS 16.4.2'],
        level: 'L2',
        demands: 'Logs cannot be read or changed by whom they are not for',
        measure:
          'The functions’ role writes to the trail and neither reads nor changes it, but for the IP address that it takes out; the log is Vercel’s, to which functions can only append.',
      },
      {
        ids: ['ASVS 16.4.3'],
        level: 'L2',
        demands: 'Logs are sent to a system of their own',
        measure:
          'Lines leave the function at once for Vercel’s log; `docs/operations.md` says how to add a log drain to a store of one’s own.',
        deviation:
          'The drain belongs to the team at Vercel and not to the code, so nothing here can set it up or show that it is there. Without one the log is kept for an hour to some days, and the trail for 400 days.',
      },
      {
        ids: ['ASVS 16.5.1'],
        level: 'L2',
        demands: 'A general answer to what is unexpected',
        measure:
          'Whatever a handler throws is a 500 problem with the request id and nothing of the fault; the log has its name, message and stack, and of a statement its SQLSTATE alone.',
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
        demands: 'It works on safely when a service fails',
        measure:
          'With the database away every endpoint but the public keys is 503 and touches no cookie; with Resend away answers are the same and mails wait; with the breach list away passwords pass the other rules.',
      },
      {
        ids: ['ASVS 16.5.3'],
        level: 'L2',
        demands: 'It fails securely',
        measure:
          'Limits, counts and sessions are read by the statement that decides, so without the database nothing is let in.',
      },
    ],
  },
  {
    title: 'What else applies to such a service',
    requirements: [
      {
        ids: ['ASVS 1.2.4'],
        level: 'L1',
        demands: 'Parameterised statements alone',
        measure:
          'Statements are templates of drizzle’s `sql`, which makes a parameter of whatever is put in; the only raw pieces are two lists of columns and the names of tables in maintenance, written in the source.',
      },
      {
        ids: ['ASVS 1.3.11'],
        level: 'L2',
        demands: 'Input cannot inject into mails',
        measure:
          'An address with a line break is 422 wherever one is given; what stands in a mail’s HTML is escaped, and a subject is one line. Mails go by JSON, not by SMTP.',
      },
      {
        ids: ['ASVS 8.2.1', 'ASVS 8.2.2', 'ASVS 8.3.1'],
        level: 'L1',
        demands: 'Access is decided on the server, for each function and each object',
        measure:
          'Every statement about a session or an account begins with the live session of who asks, and reaches rows of that account alone; a foreign id is 404 as an unknown one is.',
      },
      {
        ids: ['ASVS 12.1.1', 'ASVS 12.2.1'],
        level: 'L1',
        demands: 'TLS 1.2 and 1.3 alone towards clients, with no way around',
        measure: 'TLS is the platform’s; plain http is redirected and HSTS keeps browsers from trying it.',
        deployment: true,
      },
      {
        ids: ['ASVS 12.3.1', 'ASVS 12.3.2'],
        level: 'L2',
        demands: 'TLS with verified certificates towards every service',
        measure:
          'A deployment calls its peers over https with Node’s verification on, and does not start when it is switched off; migrations connect with `sslmode=verify-full` whatever the address says.',
      },
      {
        ids: ['ASVS 15.1.1', 'ASVS 15.2.1'],
        level: 'L1',
        demands: 'Vulnerable dependencies are replaced in a time that is written down',
        measure:
          '`SECURITY.md` gives 7 days for a critical one and 30 for a high one; every check asks the registry and fails on either. A registry without an audit is said to be one.',
      },
      {
        ids: ['ASVS 15.2.2'],
        level: 'L2',
        demands: 'Costly work cannot take the service down',
        measure:
          'Limits are taken before the hash; an instance computes 2 hashes at once, lets 20 wait and answers 503 to the rest.',
      },
      {
        ids: ['ASVS 15.3.1'],
        level: 'L1',
        demands: 'Only the fields that are wanted go out',
        measure: 'Answers are built field by field; no row is handed out as it is.',
      },
      {
        ids: ['ASVS 15.3.3'],
        level: 'L2',
        demands: 'Only the fields that are wanted come in',
        measure: 'Every body and query has a schema, and a key that it does not know is 422.',
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
