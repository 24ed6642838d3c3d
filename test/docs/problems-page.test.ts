import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PROBLEMS_PAGE_PATH, problemsPage } from '../../cli/build/problems-page.ts'
import {
  HttpError,
  problemResponse,
  problems,
  problemType,
  type ProblemCode,
} from '../../lib/http/problems.ts'

const codes = Object.keys(problems) as ProblemCode[]
const page = readFileSync(PROBLEMS_PAGE_PATH, 'utf8')

describe('the table of problems', () => {
  test('[RFC 9457 3] [RFC 9457 3.1.1] code and type are one to one, and each type resolves to its entry', () => {
    expect(page).toBe(problemsPage)
    expect(new Set(codes.map(problemType)).size).toBe(codes.length)
    for (const code of codes) {
      expect(problemType(code)).toBe(`https://app.latchkey.test/auth/problems#${code}`)
      expect(page).toContain(`<h2 id="${code}">`)
    }
  })

  test.each(codes)(
    '[RFC 9110 15.5.2] [RFC 9457 3.1.2] [RFC 9457 3.1.3] %s says its own status, and tells what to do',
    async (code) => {
      const response = problemResponse(new HttpError(code))
      const body = (await response.json()) as { status: number; title: string; detail: string }
      expect([response.status, body.status, body.title]).toEqual([
        problems[code].status,
        problems[code].status,
        problems[code].title,
      ])
      expect(body.detail.length).toBeGreaterThan(10)
      expect(response.headers.has('www-authenticate')).toBe(response.status === 401)
      expect(response.headers.has('retry-after')).toBe([429, 503].includes(response.status))
    },
  )
})
