/**
 * `npm run admin -- …`: what an operator does by hand, on the database that DATABASE_URL_UNPOOLED or DATABASE_URL
 * names. It asks before it changes anything, and each change is recorded in the audit log.
 */
import { runProgram } from './program.ts'
import { ask } from './question.ts'

process.exitCode = await runProgram(process.argv.slice(2), {
  environment: process.env,
  print: (text) => console.log(text),
  printError: (text) => console.error(text),
  ask,
})
