/** The defense of every unsafe method against requests that another site's page sends (OWASP CSRF, Fetch Metadata). */
import { environment } from '../env.ts'

/**
 * True for an unsafe method that comes from elsewhere according to the browser. A request with neither header isn't a
 * browser's; it still needs a JSON content type, which no form can send. Hosts are compared whole; `same-site` is not
 * trusted.
 */
export function isCrossOrigin(request: Request): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return false
  const site = request.headers.get('sec-fetch-site')
  const origin = request.headers.get('origin')
  return (
    (site !== null && site !== 'same-origin') ||
    (origin !== null && !environment().ownOrigins.includes(origin))
  )
}
