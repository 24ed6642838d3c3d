import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareRanks } from './rank-statistics.ts'

describe('Mann and Whitney’s U', () => {
  test('samples that do not overlap have U of all pairs and of none', () => {
    expect(compareRanks([4, 5, 6], [1, 2, 3])).toMatchObject({ u: 9, effect: 1 })
    expect(compareRanks([1, 2, 3], [4, 5, 6])).toMatchObject({ u: 0, effect: 0 })
  })

  test('the race of the tortoises and the hares (Mann and Whitney’s example in textbooks): U is 25 and 11', () => {
    // Their places in the order of arrival T H H H H H T T T T T H.
    const tortoises = [1, 7, 8, 9, 10, 11]
    const hares = [2, 3, 4, 5, 6, 12]
    expect(compareRanks(tortoises, hares).u).toBe(25)
    expect(compareRanks(hares, tortoises).u).toBe(11)
  })

  test('a tie counts half', () => {
    expect(compareRanks([1, 2, 2], [2, 3]).u).toBe(1)
    expect(compareRanks([7, 7], [7, 7, 7])).toEqual({ u: 3, effect: 0.5, standardError: 0 })
  })

  test('the standard error is the textbook’s, with and without ties', () => {
    // √((n + m + 1) / 12nm)
    expect(compareRanks([1, 3, 5], [2, 4, 6]).standardError).toBeCloseTo(Math.sqrt(7 / 108), 12)
    // Three values tied of five: nm/12 · ((N + 1) − Σ(t³ − t) / N(N − 1)) = 6/12 · (6 − 24/20) = 2.4
    expect(compareRanks([1, 2, 2], [2, 3]).standardError).toBeCloseTo(Math.sqrt(2.4) / 6, 12)
  })

  const samples = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 30 })

  test('it is what counting the pairs one by one gives', () => {
    fc.assert(
      fc.property(samples, samples, (first, second) => {
        const pairs = first.flatMap((x) => second.map((y) => (x > y ? 1 : x === y ? 0.5 : 0)))
        const counted = pairs.reduce((sum: number, pair) => sum + pair, 0)
        expect(compareRanks(first, second).u).toBeCloseTo(counted, 9)
        expect(compareRanks(first, second).effect + compareRanks(second, first).effect).toBeCloseTo(1, 12)
      }),
    )
  })

  test('an empty sample is refused', () => {
    expect(() => compareRanks([], [1])).toThrow('empty')
  })
})
