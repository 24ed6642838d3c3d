/** GET /api/auth/keys: the public keys (JWK Set, RFC 7517) for whoever verifies access tokens. */
import type { PublicKeys } from '../../lib/answers.ts'
import { publicKeys } from '../../lib/access-token.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json } from '../../lib/json.ts'

// A new secret is published this long before it signs (docs/cryptography.md).
const CACHE_SECONDS = 300

export default endpoint({
  GET: async () => {
    const headers = new Headers({ 'cache-control': `public, max-age=${CACHE_SECONDS}` })
    return json<PublicKeys>(await publicKeys(), 200, headers)
  },
})
