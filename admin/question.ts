/** The question before a change. It goes to the standard error, so that the answer's own output stays alone in its stream. */
import { createInterface } from 'node:readline/promises'

/** Undefined where there is nobody to ask. */
export async function ask(question: string): Promise<boolean | undefined> {
  if (!process.stdin.isTTY) return undefined
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C and the end of the input are a no, too.
  const gone = new Promise<string>((resolve) => void terminal.once('close', () => resolve('')))
  const answer = await Promise.race([terminal.question(`${question}\nType yes to do it: `), gone])
  terminal.close()
  return answer.trim().toLowerCase() === 'yes'
}
