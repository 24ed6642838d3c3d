/** What bench/results holds. Undefined where nothing was measured. */
import type { ColdStarts } from './cold-start.ts'
import type { Endurance } from './endurance.ts'
import { keptResults, type Kept } from './figures.ts'
import type { Growth } from './growth.ts'
import type { Competitors } from './competitors.ts'
import type { RoundTrips } from './round-trips.ts'
import type { Statements } from './statements.ts'
import type { Warm } from './warm.ts'

export interface Results {
  coldStart: Kept<ColdStarts> | undefined
  warm: Kept<Warm> | undefined
  roundTrips: Kept<RoundTrips> | undefined
  statements: Kept<Statements> | undefined
  growth: Kept<Growth> | undefined
  endurance: Kept<Endurance> | undefined
  competitors: Kept<Competitors> | undefined
}

export function allResults(): Results {
  return {
    coldStart: keptResults('cold-start'),
    warm: keptResults('warm'),
    roundTrips: keptResults('round-trips'),
    statements: keptResults('statements'),
    growth: keptResults('growth'),
    endurance: keptResults('endurance'),
    competitors: keptResults('competitors'),
  }
}
