/** GET /api/auth/keys: the public keys (JWK Set, RFC 7517) for everyone who verifies access tokens. */
import { publicKeys, PUBLIC_KEYS_CACHE_SECONDS } from '../../lib/crypto/access-token.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { json } from '../../lib/http/json.ts'
import type { PublicKeys } from '../../lib/http/schemas/responses.ts'

export default endpoint({
  GET: async () =>
    json<PublicKeys>(await publicKeys(), {
      headers: { 'cache-control': `public, max-age=${PUBLIC_KEYS_CACHE_SECONDS}` },
    }),
})
