/** All commands there are, in the order of --help. */
import { accountCommands } from './accounts.ts'
import type { Command } from './call.ts'
import { eventCommands } from './events.ts'
import { mailCommands } from './mails.ts'
import { purgeCommands } from './purge.ts'
import { secretCommands } from './secrets.ts'
import { sessionCommands } from './sessions.ts'
import { statsCommands } from './stats.ts'

export const commands: readonly Command[] = [
  ...accountCommands.slice(0, 1),
  ...sessionCommands,
  ...eventCommands,
  ...accountCommands.slice(1),
  ...mailCommands,
  ...secretCommands,
  ...statsCommands,
  ...purgeCommands,
]
