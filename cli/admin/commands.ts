/** All commands, in the order of --help. */
import { accountChanges, accountCommand } from './accounts.ts'
import type { Command } from './call.ts'
import { emailCommands } from './emails.ts'
import { eventCommands } from './events.ts'
import { purgeCommands } from './purge.ts'
import { secretCommands } from './secrets.ts'
import { sessionCommands } from './sessions.ts'
import { statsCommands } from './stats.ts'

export const commands: readonly Command[] = [
  accountCommand,
  ...sessionCommands,
  ...eventCommands,
  ...accountChanges,
  ...emailCommands,
  ...secretCommands,
  ...statsCommands,
  ...purgeCommands,
]
