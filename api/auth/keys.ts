/** GET /api/auth/keys: the public keys (JWK Set, RFC 7517) for whoever verifies access tokens. */
import type { PublicKeys } from '../../lib/answers.ts'
import { publicKeys, PUBLIC_KEYS_CACHE_SECONDS } from '../../lib/access-token.ts'
import { endpoint } from '../../lib/endpoint.ts'
import { json } from '../../lib/json.ts'

export default endpoint({
  GET: async () => {
    const headers = new Headers({ 'cache-control': `public, max-age=${PUBLIC_KEYS_CACHE_SECONDS}` })
    return json<PublicKeys>(await publicKeys(), 200, headers)
  },
})
