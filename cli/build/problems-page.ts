/** `npm run problems-page`: writes the page that the `type` of a problem links to, from the table of problems. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { problems } from '../../lib/http/problems.ts'

const entries = Object.entries(problems).map(
  ([code, { status, title, detail }]) => `        <section aria-labelledby="${code}">
          <h2 id="${code}">${title}</h2>
          <p><code>${code}</code>, status ${status}</p>
          <p>${detail}</p>
        </section>
`,
)

export const problemsPage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="referrer" content="no-referrer" />
    <meta name="color-scheme" content="light dark" />
    <title>Problems · Latchkey</title>
    <link rel="icon" href="/assets/favicon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/assets/style.css" />
  </head>
  <body>
    <header class="site-header">
      <div class="panel"><a class="brand" href="/">Latchkey</a></div>
    </header>
    <main class="prose">
      <h1>Problems</h1>
      <p>
        Every error is <code>application/problem+json</code> (RFC 9457). Its <code>type</code> links to an entry of this
        page, its <code>code</code> is for programs, and its <code>detail</code> tells the user what to do.
      </p>
${entries.join('')}    </main>
  </body>
</html>
`

export const PROBLEMS_PAGE_PATH = join(import.meta.dirname, '../../public/auth/problems.html')

if (import.meta.main) writeFileSync(PROBLEMS_PAGE_PATH, problemsPage)
