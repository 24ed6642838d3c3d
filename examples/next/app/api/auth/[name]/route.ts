/** All of Latchkey's endpoints, at their usual paths. */
import account from '../../../../latchkey/api/auth/account.ts'
import keys from '../../../../latchkey/api/auth/keys.ts'
import login from '../../../../latchkey/api/auth/login.ts'
import logout from '../../../../latchkey/api/auth/logout.ts'
import maintenance from '../../../../latchkey/api/auth/maintenance.ts'
import refresh from '../../../../latchkey/api/auth/refresh.ts'
import register from '../../../../latchkey/api/auth/register.ts'
import reset from '../../../../latchkey/api/auth/reset.ts'
import sessions from '../../../../latchkey/api/auth/sessions.ts'
import verify from '../../../../latchkey/api/auth/verify.ts'

const endpoints = new Map(
  Object.entries({
    account,
    keys,
    login,
    logout,
    maintenance,
    refresh,
    register,
    reset,
    sessions,
    verify,
  }),
)

interface Route {
  params: Promise<{ name: string }>
}

/** Every method: the endpoint itself responds with 405 to those it doesn't have. */
async function handle(request: Request, { params }: Route): Promise<Response> {
  const { name } = await params
  return endpoints.get(name)?.fetch(request) ?? new Response(null, { status: 404 })
}

export {
  handle as DELETE,
  handle as GET,
  handle as HEAD,
  handle as OPTIONS,
  handle as PATCH,
  handle as POST,
  handle as PUT,
}
