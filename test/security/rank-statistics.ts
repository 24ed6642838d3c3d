/**
 * Whether two samples come from one distribution, by ranks: this assumes nothing about its shape, and one slow response
 * weighs no more than any other.
 */

export interface RankComparison {
  /** Mann and Whitney's U of the first sample: in how many pairs its value is the greater one, a tie counting half. */
  u: number
  /**
   * Vargha and Delaney's A: how likely a value of the first sample is the greater of a random pair, 0.5 when the two
   * are alike. It is U over the number of pairs.
   */
  effect: number
  /** Standard error of `effect` when both come from one distribution, corrected for ties. */
  standardError: number
}

export function compareRanks(first: readonly number[], second: readonly number[]): RankComparison {
  const [n, m] = [first.length, second.length]
  if (n === 0 || m === 0) throw new Error('a sample is empty')
  const all = [
    ...first.map((value) => ({ value, isFirst: true })),
    ...second.map((value) => ({ value, isFirst: false })),
  ].toSorted((a, b) => a.value - b.value)

  let rankSum = 0
  let tieSum = 0
  for (let start = 0, end = 0; start < all.length; start = end) {
    while (end < all.length && all[end]?.value === all[start]?.value) end += 1
    const tied = all.slice(start, end)
    // Ranks begin at 1; values that are equal share the mean of theirs.
    rankSum += (tied.filter(({ isFirst }) => isFirst).length * (start + 1 + end)) / 2
    tieSum += tied.length ** 3 - tied.length
  }
  const u = rankSum - (n * (n + 1)) / 2
  const total = n + m
  const variance = (n * m * (total + 1 - tieSum / (total * (total - 1)))) / 12
  return { u, effect: u / (n * m), standardError: Math.sqrt(variance) / (n * m) }
}
