/** The whole story over HTTP against what a deploy would run. */
import { afterAll, beforeAll, inject, test } from 'vitest'
import { serveArtefact, type Artefact } from '../../dev/artefact.ts'
import { freePort } from '../../dev/port.ts'
import { expectPages, expectStory } from '../support/http-story.ts'
import { inbox } from '../support/setup-stack.ts'
import { functionEnvironment } from './environment.ts'

let artefact: Artefact
const lines: string[] = []

beforeAll(async () => {
  const port = await freePort()
  artefact = await serveArtefact({
    output: inject('artefactOutput') ?? '',
    port,
    environment: functionEnvironment({ APP_URL: `http://localhost:${port}` }),
    onLine: (line) => lines.push(line),
  })
})
afterAll(() => artefact.stop())

test('the whole story runs over HTTP', async () => {
  const app = { origin: artefact.origin, inboxUrl: inbox.url }
  await expectPages(app)
  await expectStory(app)
})
