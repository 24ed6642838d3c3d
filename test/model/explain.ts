/**
 * What responses show, held against what the rules expect; and the orders in which concurrent requests are explained.
 */
import { SLACK_SECONDS, type Token, type World } from './world.ts'

/** What a response shows. */
export interface Observed {
  /** The problem's code, or the status where there is no problem. */
  result: string
  cookies: 'kept' | 'cleared' | 'set'
  token: Token | undefined
  /** Of the cookies that were set. */
  maxAge: number | 'none' | undefined
  sessionId: string | undefined
  /** From now to the absolute expiry that the response names. */
  secondsToEnd: number | undefined
  /** Of a list of sessions. */
  listed: readonly string[] | undefined
}

export interface Expected {
  result: string
  cookies: 'kept' | 'cleared' | 'set'
  token?: Token
  sessionId?: string
  maxAge?: number | 'none'
  secondsToEnd?: number
  listed?: readonly string[]
}

export interface Outcome {
  world: World
  expected: Expected
}

/** What was observed only names what the world can't know: a new family and its session's id. */
export type Decision = (world: World, observed: Observed) => Outcome

/**
 * What takes two calls may see another world at the second one: others act in between. The first one may write, too.
 */
export type Rule =
  | { kind: 'at-once'; decide: Decision }
  | { kind: 'in-two'; begin: (world: World) => { world: World; finish: Decision } }

/** Something that was done, and what came of it. */
export interface Done {
  label: string
  rule: Rule
  observed: Observed
}

/** How a response differs from what was expected; empty when it doesn't. */
function responseIssues(expected: Expected, observed: Observed): string[] {
  const issues: string[] = []
  const compare = (what: string, wanted: unknown, got: unknown) => {
    if (wanted !== got) issues.push(`${what}: ${String(got)} instead of ${String(wanted)}`)
  }
  const compareSeconds = (what: string, wanted: number, got: unknown) => {
    if (typeof got !== 'number' || !isNear(wanted, got)) compare(what, wanted, got)
  }
  const { sessionId, maxAge, secondsToEnd, listed } = expected
  compare('result', expected.result, observed.result)
  compare('cookies', expected.cookies, observed.cookies)
  compare('token', tokenText(expected.token), tokenText(observed.token))
  if (sessionId !== undefined) compare('session', sessionId, observed.sessionId)
  if (maxAge === 'none') compare('Max-Age', maxAge, observed.maxAge)
  else if (maxAge !== undefined) compareSeconds('Max-Age', maxAge, observed.maxAge)
  if (secondsToEnd !== undefined) {
    compareSeconds('seconds to the absolute expiry', secondsToEnd, observed.secondsToEnd)
  }
  if (listed !== undefined) {
    compare('sessions', listed.toSorted().join(), observed.listed?.toSorted().join())
  }
  return issues
}

/** What is wrong with the response to what was done by itself; empty when nothing is. */
export function issuesAlone(before: World, { rule, observed }: Done): string {
  return responseIssues(decideAlone(before, rule, observed).expected, observed).join('; ')
}

/** What comes of something that was done by itself. */
export function decideAlone(before: World, rule: Rule, observed: Observed): Outcome {
  if (rule.kind === 'at-once') return rule.decide(before, observed)
  const { world, finish } = rule.begin(before)
  return finish(world, observed)
}

export function tokenText(token: Token | undefined): string {
  return token === undefined ? 'none' : `counter ${token.counter} of ${token.key.slice(0, 6)}`
}

export function doneText(done: readonly Done[]): string {
  return done
    .map(({ label, observed: { result, cookies, token, maxAge } }) => {
      const lifetime = maxAge === 'none' ? 'until the browser closes' : `for ${maxAge} s`
      const given = token === undefined ? '' : `, ${tokenText(token)} ${lifetime}`
      return `  ${label}: ${result}, cookies ${cookies}${given}`
    })
    .join('\n')
}

export function isNear(wanted: number, got: number): boolean {
  return Math.abs(wanted - got) <= SLACK_SECONDS
}

/**
 * The worlds that come about when these are done one after the other, in any order in which each gets the response that
 * it got. What takes two calls may be overtaken between them. None means that no order explains the responses.
 */
export function* explanations(world: World, done: readonly Done[]): Generator<World> {
  if (done.length === 0) {
    yield world
    return
  }
  const tried = new Set<string>()
  for (const one of done) {
    const { label, rule, observed } = one
    // Of two that are alike, either may be the first. One that has begun (see below) is like no other.
    const likeness = JSON.stringify([label, observed])
    if (label !== '' && tried.has(likeness)) continue
    tried.add(likeness)

    const others = done.filter((other) => other !== one)
    if (rule.kind === 'in-two') {
      const { world: begun, finish } = rule.begin(world)
      // First in line, so that the plain order is tried first.
      const second: Done = { label: '', rule: { kind: 'at-once', decide: finish }, observed }
      yield* explanations(begun, [second, ...others])
    } else {
      const outcome = rule.decide(world, observed)
      if (responseIssues(outcome.expected, observed).length > 0) continue
      yield* explanations(outcome.world, others)
    }
  }
}
