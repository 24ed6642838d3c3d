/** docs/faults.md, written from what the fault matrix saw. */
import type { Operation } from './fault-operations.ts'

/** One fault in one place of one operation, and what came of it. */
export interface Observation {
  operation: Operation
  /** The round trip, or the mail. */
  place: string
  fault: string
  /** Status and, for a problem, its code. */
  answer: string
  /** `nothing` was changed, an attempt was `counted`, it was `done`, or in an operation's own words. */
  state: string
  mail: 'none' | 'sent' | 'waiting' | 'given up'
  /** What the same request was answered afterwards; undefined after a success. */
  again: string | undefined
}

export const MAIL_PLACE = 'the mail'

const INTRODUCTION = `# What a fault does

Every operation was run with every fault in each of its round trips to the database and in its call of the mail provider. The
tables tell what the client sees, what the database holds afterwards, and what comes of sending the same request again.

What holds in every cell:

- The client sees the usual answer or \`503 unavailable\` with \`Retry-After: 5\`, and nothing of the cause.
- No cookie is set or cleared by a 503. One that is cleared was cleared by a definite end.
- There is no half of a change: the rows are as before, or as after the undisturbed operation. _Counted_ means that the attempt was
  counted against a limit and nothing else happened.
- When the fault is over, the person gets what they wanted: a registration can be confirmed, a changed password signs in, an ended session stays ended.
- A mail that is owed goes out once, at once or later; only what the provider refuses for good (422) never goes, with an event.
`

const LEGEND = `A cell is the answer, then what the database holds where it is not obvious: \`503\` alone means that nothing has changed,
_done_ that the operation took place although the client was not told, _mail waits_ that a later mail takes it along or maintenance sends it. One that
had gone and was not marked is offered again under the same key, by which the provider knows that it has it.
"Late" is later than the time limit of the call: an answer that comes when nobody waits any more, or a request that reaches the database when nobody
waits any more.

A refresh and a read are tried once more by themselves when a connection fails, so one fault does not show; a call that ran into its time limit (5 s) is
not tried again. Everything else is tried once.
`

const FOOTER = `_Made by \`test/fault-matrix.test.ts\`, which runs all of this on a real Postgres behind a gateway that breaks as told, and fails when it sees anything else
than this page says. \`UPDATE_DOCS=1 npx vitest run --project endpoints test/fault-matrix\` writes it anew._
`

export function faultsPage(observations: Observation[]): string {
  const ofMail = observations.filter(({ place }) => place === MAIL_PLACE)
  const ofDatabase = observations.filter(({ place }) => place !== MAIL_PLACE)
  const operations = Map.groupBy(observations, ({ operation }) => operation)
  return [
    INTRODUCTION,
    '## The database\n',
    LEGEND,
    matrix(ofDatabase, ['Operation', 'Round trip'], ({ operation, place }) => [operation.name, place]),
    '## The mail provider\n',
    'The mail goes after the answer, so the answer is the usual one and the operation is done, whatever happens to the mail.\n',
    matrix(ofMail, ['Operation'], ({ operation }) => [operation.name]),
    '## Going on\n',
    'What the same request is answered once the fault is over, by what the fault had left, and how the person goes on after any of them.\n',
    aligned([
      ['Operation', 'Again, when it was not done', 'Again, when it was done', 'Then'],
      ...Array.from(operations, ([operation, seen]) => [
        operation.name,
        answersAgain(seen.filter(({ state }) => state !== 'done')),
        answersAgain(seen.filter(({ state }) => state === 'done')),
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
  const { answer, state, mail, again } = observation
  const left = again === undefined || state === 'nothing' ? [] : [state]
  const mails = { none: [], sent: [], waiting: ['mail waits'], 'given up': ['mail given up'] }[mail]
  return [answer.replace(' unavailable', ''), ...left, ...(again === undefined ? mails : [])].join(', ')
}

function answersAgain(observations: Observation[]): string {
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
