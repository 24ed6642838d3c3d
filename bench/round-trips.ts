/** `npm run bench:round-trips`: requests and bytes to the database for each thing that people do, counted at the gateway. */
import { startGateway, type GatewayRequest } from '../dev/gateway.ts'
import { deployHere } from './deployment.ts'
import { keepResults } from './figures.ts'
import { operationsOf } from './operations.ts'
import { gatherPeople } from './people.ts'
import { startBenchStack } from './stack.ts'

export interface RoundTripRow {
  name: string
  endpoint: string
  status: number
  /** Before the answer, and for the email after it. */
  roundTrips: number
  afterResponse: number
  statements: number
  /** Bodies alone, to the database and back, before the response. */
  bytesOut: number
  bytesIn: number
}

export interface RoundTrips {
  rows: RoundTripRow[]
}

const stack = await startBenchStack()
const gateway = await startGateway({ port: 0 })
process.env['NEON_FETCH_ENDPOINT'] = gateway.url
const people = await gatherPeople(stack)
try {
  const operations = await operationsOf(people, stack.passwordHash)
  const deployment = await deployHere()
  await people.ready(operations.length)
  const rows: RoundTripRow[] = []
  for (const { name, endpoint, status, prepare } of operations) {
    const request = await prepare()
    gateway.requests.length = 0
    const response = await deployment.send(request)
    const before = [...gateway.requests]
    await deployment.settled()
    if (response.status !== status) throw new Error(`${name}: ${response.status} ${response.body}`)
    const sum = (of: (one: GatewayRequest) => number) => before.reduce((total, one) => total + of(one), 0)
    rows.push({
      name,
      endpoint,
      status,
      roundTrips: before.length,
      afterResponse: gateway.requests.length - before.length,
      statements: sum(({ statements }) => statements.length),
      bytesOut: sum(({ bytesIn }) => bytesIn),
      bytesIn: sum(({ bytesOut }) => bytesOut),
    })
  }
  console.table(
    Object.fromEntries(
      rows.map(({ name, roundTrips, afterResponse, statements, bytesOut, bytesIn }) => [
        name,
        {
          'round trips': roundTrips,
          'after the response': afterResponse,
          statements,
          'bytes out': bytesOut,
          'bytes in': bytesIn,
        },
      ]),
    ),
  )
  const figures: RoundTrips = { rows }
  keepResults('round-trips', figures)
} finally {
  await people.stop()
  await gateway.close()
  await stack.stop()
}
