/** The least that a function with a database does: one statement through Neon's driver. */
import { neon, neonConfig } from '@neondatabase/serverless'

const { NEON_FETCH_ENDPOINT, DATABASE_URL = '' } = process.env
if (NEON_FETCH_ENDPOINT !== undefined) neonConfig.fetchEndpoint = NEON_FETCH_ENDPOINT
const sql = neon(DATABASE_URL)

export default {
  async fetch(): Promise<Response> {
    const [row] = await sql`select 1 as one`
    return Response.json({ one: row?.['one'] })
  },
}
