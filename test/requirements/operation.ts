import type { Chapter } from './requirement.ts'

export const operation: readonly Chapter[] = []
