import type { Chapter } from './requirement.ts'

export const requests: readonly Chapter[] = []
