/** docs/faults.md, written from what the fault matrix saw. */
import type { Operation } from './operations.ts'

/** One fault in one place of one operation, and what came of it. */
export interface Observation {
  operation: Operation
  /** The round trip, or the email. */
  place: string
  fault: string
  /** Status and, for a problem, its code. */
  response: string
  /** `nothing` was changed, an attempt was `counted`, it was `done`, or in an operation's own words. */
  state: string
  email: 'none' | 'sent' | 'waiting' | 'given up'
  /** The response to the same request afterwards; undefined after a success. */
  again: string | undefined
}

export const EMAIL_PLACE = 'the email'

const INTRODUCTION = `# What a fault does

Every operation was run with every fault in each of its round trips to the database and in its call of the email
provider. The tables say what the client sees, what the database holds afterwards, and what the same request does again.

What holds in every cell:

- The client sees the usual response or \`503 unavailable\` with \`Retry-After: 5\`, and nothing of the cause.
- A 503 sets and clears no cookie. A cookie is cleared only by a definite end.
- There is no half of a change: the rows are as before, or as after the undisturbed operation. _Counted_ means that the
  attempt was counted against a limit and nothing else happened.
- When the fault is over, the person gets what they wanted: a registration can be confirmed, a changed password signs
  in, a revoked session stays revoked.
- A queued email is delivered once, at once or later. Only one that the provider refuses for good (422) never is; an
  event says so.
`

const LEGEND = `A cell is the response, then what the database holds where that isn't obvious.
\`503\`: nothing changed. _Done_: the operation took place, but the client wasn't told. _Email waits_: a later email takes
it along, or maintenance sends it. One that was delivered but not recorded is offered again under the same key, so the
provider knows that it has it. "Late" is later than the time limit of the call: a response that nobody waits for any
longer, or a request that reaches the database by then.

A refresh and a read are retried once when a connection fails, so one fault doesn't show. A call that ran into its time
limit (5 s) isn't retried, and neither is anything else.
`

const FOOTER = `_\`test/faults/matrix.test.ts\` runs all of this on a real Postgres behind a gateway that breaks on purpose, and
fails when it sees anything else. \`UPDATE_DOCS=1 npx vitest run --project endpoints test/fault-matrix\` writes this page
again._
`

export function faultsPage(observations: Observation[]): string {
  const ofEmail = observations.filter(({ place }) => place === EMAIL_PLACE)
  const ofDatabase = observations.filter(({ place }) => place !== EMAIL_PLACE)
  const operations = Map.groupBy(observations, ({ operation }) => operation)
  return [
    INTRODUCTION,
    '## The database\n',
    LEGEND,
    matrix(ofDatabase, ['Operation', 'Round trip'], ({ operation, place }) => [operation.name, place]),
    '## The email provider\n',
    'Emails are sent after the response, so that is the usual one and the operation is done, whatever happens to them.\n',
    matrix(ofEmail, ['Operation'], ({ operation }) => [operation.name]),
    '## Going on\n',
    'The response to the same request once the fault is over, and how the person goes on after any of them.\n',
    aligned([
      ['Operation', 'Again, if not done', 'Again, if done', 'Then'],
      ...Array.from(operations, ([operation, seen]) => [
        operation.name,
        responsesAgain(seen.filter(({ state }) => state !== 'done')),
        responsesAgain(seen.filter(({ state }) => state === 'done')),
        operation.goingOn,
      ]),
    ]),
    FOOTER,
  ].join('\n')
}

/** One line for each place, one column for each fault. */
function matrix(
  observations: Observation[],
  heads: string[],
  headOf: (observation: Observation) => string[],
): string {
  const faults = [...new Set(observations.map(({ fault }) => fault))]
  const lines = Map.groupBy(observations, (observation) => headOf(observation).join('\n'))
  const rows = Array.from(lines.values(), (line) => [
    ...line.slice(0, 1).flatMap(headOf),
    ...faults.map((fault) => cell(line.find((observation) => observation.fault === fault))),
  ])
  return aligned([[...heads, ...faults], ...rows])
}

function cell(observation: Observation | undefined): string {
  if (observation === undefined) return ''
  const { response, state, email, again } = observation
  const left = again === undefined || state === 'nothing' ? [] : [state]
  const emails = { none: [], sent: [], waiting: ['email waits'], 'given up': ['email given up'] }[email]
  return [response.replace(' unavailable', ''), ...left, ...(again === undefined ? emails : [])].join(', ')
}

function responsesAgain(observations: Observation[]): string {
  return [...new Set(observations.flatMap(({ again = [] }) => again))].join(' or ')
}

function aligned([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |\n`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n`
  return [line(head), rule, ...rows.map(line)].join('')
}
