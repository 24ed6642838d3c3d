import type { Chapter } from './requirement.ts'

export const accounts: readonly Chapter[] = []
