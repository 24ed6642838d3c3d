/** docs/stolen-connection.md, written from what test/engine/stolen-connection.test.ts saw. */
import type { Role } from '../support/database-roles.ts'

/** Kinds of what an attempt leaves behind. */
export interface Traces {
  events: string[]
  emails: string[]
}

export interface Possibility extends Traces {
  role: Role
  what: string
}

export interface Impossibility {
  role: Role
  what: string
  refusal: string
}

interface Seen {
  possible: Possibility[]
  impossible: Impossibility[]
}

const INTRODUCTION = `# A stolen connection string

What somebody can do who has the connection string of one of the two roles, and what they can't. Each row is tried by
\`test/engine/stolen-connection.test.ts\`, which writes this page. With the owner's connection string everything is possible.

The string alone makes no cookie, link, code or access token: they are signed with \`JWT_SECRET\`, which the database
doesn't have. But the functions trust their caller: whoever calls them needs neither a password nor a mailbox, and no
limit holds, as the caller chooses its key. What remains is one account at a time, by an address or an id that is known,
and an entry in the audit log for each change of an account. The owner's emails go out with the next maintenance.

Some of it leaves no trace: what it reads in a transaction that it rolls back, the sizes of tables, and what its other
connections run. It can end those connections, and hold a transaction open, behind which \`read_events\` shows nothing new.

After a leak, as the owner: give the role another password, run its file again, which takes back settings that the role
changed for itself, and end its connections
(\`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'latchkey_functions'\`). Then look for events whose
request is not in the log.
`

const FOOTER = `\`UPDATE_DOCS=1 npx vitest run --project endpoints test/stolen-connection\` writes this page again.
`

export function stolenConnectionPage({ possible, impossible }: Seen): string {
  const section = (role: Role, place: string) =>
    [
      `## \`${role}\`\n`,
      `${place}\n`,
      aligned([
        ['It can', 'Events', 'Emails'],
        ...possible
          .filter((row) => row.role === role)
          .map(({ what, events, emails }) => [what, kinds(events), String(emails.length || '')]),
      ]),
      aligned([
        ["It can't", 'Tried'],
        ...impossible.filter((row) => row.role === role).map(({ what, refusal }) => [what, refusal]),
      ]),
    ].join('\n')
  return [
    INTRODUCTION,
    section('latchkey_functions', 'In `DATABASE_URL`: the role that the functions connect as.'),
    section('latchkey_app', "In an app's own code, which needs no more of an account than this."),
    FOOTER,
  ].join('\n')
}

function kinds(all: readonly string[]): string {
  return [...new Set(all)].map((kind) => `\`${kind}\``).join(' ')
}

function aligned(rows: string[][]): string {
  const [head = []] = rows
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |\n`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n`
  return [line(head), rule, ...rows.slice(1).map(line)].join('')
}
