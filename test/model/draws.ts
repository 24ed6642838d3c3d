/** What is drawn: pauses, actions, and actions at once. */
import * as fc from 'fast-check'
import {
  COPIES,
  type AccountIndex,
  type Action,
  type PlainAction,
  type Presenter,
  type Which,
} from './actions.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export const which = fc.constantFrom<Which[]>(0, 1, 2)
export const account = fc.constantFrom<AccountIndex[]>(0, 1)
const mostly = fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, fc.constant(false))
const rarely = mostly.map((usual) => !usual)
const whichOrNew = fc.oneof({ weight: 4, arbitrary: which }, fc.constant(undefined))

/** Seconds, on both sides of the reuse interval, the step-up, and the idle and absolute expiries. */
export const pause = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 10, arbitrary: fc.constantFrom(34, 34, 26) },
  { weight: 4, arbitrary: fc.constantFrom(1, 12, 5 * MINUTE - 10, 5 * MINUTE + 10, HOUR) },
  { weight: 1, arbitrary: fc.constantFrom(2 * HOUR - MINUTE, 2 * HOUR + MINUTE, DAY - HOUR, DAY) },
  { weight: 2, arbitrary: fc.constantFrom(6 * DAY, 7 * DAY - MINUTE, 7 * DAY + MINUTE) },
  { weight: 1, arbitrary: fc.constantFrom(23 * DAY, 30 * DAY) },
)

const byBrowser = which.map((of): Presenter => ({ as: 'browser', of }))
const byCopy = fc
  .tuple(which, fc.constantFrom(...COPIES), fc.boolean())
  .map(([of, copy, elsewhere]): Presenter => ({ as: 'copy', of, copy, elsewhere }))
const byBearer = which.map((of): Presenter => ({ as: 'bearer', of }))
const byCookie = fc.oneof({ weight: 2, arbitrary: byBrowser }, byCopy)
const byAny = fc.oneof({ weight: 4, arbitrary: byBrowser }, byCopy, byBearer)

const refreshing: fc.Arbitrary<Action> = fc.record({
  do: fc.constant('refresh'),
  by: byCookie,
  lost: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
})
const by = (name: PlainAction): fc.Arbitrary<Action> => fc.record({ do: fc.constant(name), by: byAny })

/** What ends or replaces sessions, or would if it were let in. */
const ending = fc.oneof<fc.WeightedArbitrary<Action>[]>(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('logout'), by: byCookie, everywhere: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revoke the session'), by: byAny, session: which }) },
  { weight: 2, arbitrary: by('revoke the other sessions') },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('login'),
      of: whichOrNew,
      account,
      right: mostly,
      remember: mostly,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('reauthenticate'), by: byCookie, account, right: mostly }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('change the password'), by: byAny, right: mostly }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset'), account, again: rarely }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('verify'),
      of: whichOrNew,
      account,
      remember: mostly,
      again: rarely,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('verify elsewhere'), account, right: mostly, again: rarely }),
  },
  { weight: 1, arbitrary: by('request an email change') },
  { weight: 1, arbitrary: by('delete the account') },
)

export const action = fc.oneof<fc.WeightedArbitrary<Action>[]>(
  { weight: 14, arbitrary: refreshing },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refresh forged'), of: which }) },
  { weight: 1, arbitrary: by('read the account') },
  { weight: 1, arbitrary: by('list the sessions') },
  { weight: 10, arbitrary: ending },
)

export function repeated<T>(one: T, times: number): T[] {
  return Array.from({ length: times }, () => one)
}

type Copy = Extract<Presenter, { as: 'copy' }>
const refreshOf = (presenter: Presenter): Action => ({ do: 'refresh', by: presenter, lost: false })

/** Tokens of one family, and something that ends, replaces, confirms or shows the session. */
const ofOneFamily = fc
  .tuple(
    which,
    fc.array(fc.tuple(fc.constantFrom<Copy['copy'][]>('current', 'before'), fc.boolean()), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.oneof(ending, by('read the account'), by('list the sessions')),
  )
  .map(([of, copies, last]): Action[] => [
    refreshOf({ as: 'browser', of }),
    ...copies.map(([copy, elsewhere]) => refreshOf({ as: 'copy', of, copy, elsewhere })),
    // What shows a session shows this one.
    'by' in last && last.by.as === 'browser' ? { ...last, by: { as: 'browser', of } } : last,
  ])

/** Two devices of one account, of which one ends the other's session or makes the other's password worthless. */
const ofOneAccount = fc
  .tuple(
    fc.constantFrom<Which[]>(0, 1),
    fc.constantFrom<Action['do'][]>('login', 'reauthenticate', 'logout', 'revoke the other sessions'),
    fc.constantFrom<Action['do'][]>('reset', 'change the password', 'delete the account', 'logout'),
  )
  .map(([of, first, second]): Action[] => {
    const own: Presenter = { as: 'browser', of }
    const other: Presenter = { as: 'browser', of: of === 0 ? 1 : 0 }
    const one: Record<string, Action> = {
      login: { do: 'login', of, account: 0, right: true, remember: true },
      reauthenticate: { do: 'reauthenticate', by: own, account: 0, right: true },
      logout: { do: 'logout', by: own, everywhere: true },
    }
    const another: Record<string, Action> = {
      reset: { do: 'reset', account: 0, again: false },
      'change the password': { do: 'change the password', by: other, right: true },
      logout: { do: 'logout', by: own, everywhere: false },
    }
    return [
      one[first] ?? { do: 'revoke the other sessions', by: own },
      another[second] ?? { do: 'delete the account', by: other },
    ]
  })

/** An account that is deleted while its address is verified again and somebody signs in. */
const ofOneAddress = fc
  .tuple(
    fc.constantFrom<Which[]>(0, 1),
    whichOrNew,
    fc.constantFrom<Action['do'][]>('verify', 'verify elsewhere', 'login'),
  )
  .map(([of, place, second]): Action[] => [
    { do: 'delete the account', by: { as: 'browser', of } },
    { do: 'verify', of: place, account: 0, remember: true, again: false },
    second === 'login'
      ? { do: 'login', of: undefined, account: 0, right: true, remember: false }
      : { do: 'verify elsewhere', account: 0, right: true, again: false },
  ])

export const concurrent: fc.Arbitrary<Action[]> = fc.oneof(
  // One token again and again: many tabs, or retries.
  fc.tuple(refreshing, fc.integer({ min: 2, max: 6 })).map(([one, times]) => repeated(one, times)),
  // The same request twice: an impatient press, or two devices.
  ending.map((one) => repeated(one, 2)),
  ofOneFamily,
  fc.array(action, { minLength: 2, maxLength: 3 }),
  ofOneAccount,
  ofOneAddress,
)

/**
 * The quick ones set out together with the others, or so many milliseconds after the second call of one of the slow
 * ones, its hash done, has arrived at the database.
 */
export type Timing = 'at once' | number

export const timing = fc.constantFrom<Timing[]>('at once', 'at once', 0, 1, 2, 3)
