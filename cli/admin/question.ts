/** Asks before a change. On standard error, so that standard output holds only the result. */
import { createInterface } from 'node:readline/promises'

export type Received = 'yes' | 'no' | 'no-terminal'

export async function ask(question: string): Promise<Received> {
  if (!process.stdin.isTTY) return 'no-terminal'
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C and the end of the input mean no.
  const closed = new Promise<string>((resolve) => void terminal.once('close', () => resolve('')))
  const response = await Promise.race([terminal.question(`${question}\nType yes to continue: `), closed])
  terminal.close()
  return response.trim().toLowerCase() === 'yes' ? 'yes' : 'no'
}
