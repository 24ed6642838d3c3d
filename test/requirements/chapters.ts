import { accounts } from './accounts.ts'
import { operation } from './operation.ts'
import { requests } from './requests.ts'
import type { Chapter } from './requirement.ts'
import { sessions } from './sessions.ts'

export const chapters: readonly Chapter[] = [...requests, ...accounts, ...sessions, ...operation]
