/**
 * Neon's SQL over HTTP in front of Postgres. It explains and times each statement in a savepoint that is rolled back, then
 * runs it. A statement is a call of a function, whose own plan says nothing, so the plans of the statements inside it come
 * from `auto_explain`, on request only: writing them takes longer than the statements.
 */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Client, QueryConfig } from 'pg'
import { listen, LOOPBACK } from '../dev/port.ts'

export interface ExplainedStatement {
  query: string
  planningMs: number
  executionMs: number
  /** Pages looked at. */
  pages: number
  /** Of the statements inside it, where `withPlans` was set. */
  plans: PlanNode[]
}

export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: PlanNode[]
}

export interface ExplainingGateway {
  url: string
  /** Whose database gets the next statements. */
  database: Client | undefined
  withPlans: boolean
  /** Of the requests since it was emptied. */
  seen: ExplainedStatement[]
  /** Resolves when nothing runs, also of those who no longer wait. */
  idle(): Promise<unknown>
  close(): Promise<void>
}

interface Statement {
  query: string
  params?: unknown[]
}

interface Explained {
  Plan: PlanNode
  'Planning Time': number
  'Execution Time': number
}

const AS_TEXT = { getTypeParser: () => (value: unknown) => value }

export async function startExplainingGateway(): Promise<ExplainingGateway> {
  // One after the other, as there is one connection.
  let latest: Promise<unknown> = Promise.resolve()
  const server = createServer((request, response) => {
    text(request)
      .then((body) => {
        const replied = latest.then(() => reply(JSON.parse(body)))
        latest = replied.catch(() => undefined)
        return replied
      })
      .then(
        (result) => response.end(JSON.stringify(result)),
        (error: unknown) => response.writeHead(500).end(JSON.stringify({ message: String(error) })),
      )
  })
  const port = await listen(server, 0)
  const gateway: ExplainingGateway = {
    url: `http://${LOOPBACK}:${port}/sql`,
    database: undefined,
    withPlans: false,
    seen: [],
    idle: () => latest,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }

  async function reply(work: Statement | { queries: Statement[] }): Promise<object> {
    const statements = 'queries' in work ? work.queries : [work]
    const results: object[] = []
    const { database } = gateway
    if (database === undefined) throw new Error('nobody said whose database it is')
    await database.query('BEGIN')
    try {
      for (const statement of statements) {
        gateway.seen.push(await explain(database, statement, gateway.withPlans))
        results.push(await run(database, statement))
      }
      await database.query('COMMIT')
    } catch (error) {
      await database.query('ROLLBACK')
      throw error
    }
    return 'queries' in work ? { results } : (results[0] ?? {})
  }
  return gateway
}

/** Makes `withPlans` possible on this connection. Needs a superuser. */
export async function loadAutoExplain(database: Client): Promise<void> {
  await database.query(`
    LOAD 'auto_explain';
    SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off;
    SET auto_explain.log_format = 'json';
    SET auto_explain.log_level = 'notice'`)
}

async function explain(
  database: Client,
  { query, params = [] }: Statement,
  withPlans: boolean,
): Promise<ExplainedStatement> {
  const plans: PlanNode[] = []
  const keep = ({ message = '' }: { message?: string | undefined }) => {
    const json = /^duration: [^{]*plan:\s*(\{.*\})\s*$/s.exec(message)?.[1]
    if (json === undefined) return
    const explained: Explained = JSON.parse(json)
    plans.push(explained.Plan)
  }
  await database.query('SAVEPOINT explained')
  if (withPlans) await database.query('SET LOCAL auto_explain.log_min_duration = 0')
  database.on('notice', keep)
  const { rows } = await database.query<{ 'QUERY PLAN': Explained[] }>(
    `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ${query}`,
    params,
  )
  database.off('notice', keep)
  await database.query('ROLLBACK TO SAVEPOINT explained')
  const explained = rows[0]?.['QUERY PLAN'][0]
  if (explained === undefined) throw new Error('there is no plan')
  const { Plan: plan } = explained
  return {
    query,
    planningMs: explained['Planning Time'],
    executionMs: explained['Execution Time'],
    pages: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
    plans,
  }
}

async function run(database: Client, { query, params = [] }: Statement): Promise<object> {
  const { fields, rows, command, rowCount } = await database.query({
    text: query,
    values: params,
    queryMode: 'extended',
    rowMode: 'array',
    types: AS_TEXT,
  } as QueryConfig)
  return { fields, rows, command, rowCount, rowAsArray: true }
}

/** The scans that ran, such as `sessions by sessions_family_hash_unique`, each once. */
export function scansOf(plans: readonly PlanNode[]): string[] {
  const found = new Set<string>()
  const nodes = [...plans]
  for (const node of nodes) {
    nodes.push(...(node.Plans ?? []))
    const { 'Relation Name': relation, 'Index Name': index, 'Node Type': type } = node
    if (!type.includes('Scan') || node['Actual Loops'] === 0) continue
    // Which table a bitmap of an index is for is said by the node above it.
    if (type === 'Bitmap Index Scan') found.add(`by ${index}`)
    else if (relation !== undefined)
      found.add(index === undefined ? `${relation}: ${type}` : `${relation} by ${index}`)
  }
  return [...found].toSorted()
}
