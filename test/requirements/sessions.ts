import type { Chapter } from './requirement.ts'

export const sessions: readonly Chapter[] = []
