/** POST /api/auth/register: stores a registration and emails its link. The account is created once that is opened. */
import { registrationCookie } from '../../lib/auth/credentials.ts'
import { emailRequested } from '../../lib/auth/responses.ts'
import { register } from '../../lib/auth/sign-up.ts'
import { endpoint } from '../../lib/http/endpoint.ts'
import { readJson } from '../../lib/http/json.ts'
import { tooManyRequests, weakPassword } from '../../lib/http/problems.ts'
import { RegisterRequest } from '../../lib/http/schemas/requests.ts'

export default endpoint({
  POST: async (request, client) => {
    const { email, password, remember } = await readJson(request, RegisterRequest)
    const result = await register({ email, password }, client)
    switch (result.kind) {
      case 'weak-password':
        throw weakPassword(result.issues)
      case 'limited':
        throw tooManyRequests('registerBySource', result.retryAfterSeconds)
      case 'registered': {
        // An address that has an account costs the same hash and gets the same response; its owner gets another email.
        const { registrationId } = result
        return emailRequested({ cookies: [registrationCookie({ registrationId, persistent: remember })] })
      }
    }
  },
})
