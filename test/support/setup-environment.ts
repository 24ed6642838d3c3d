/** What every test file starts from: a complete environment on an https origin, with secrets drawn for this run. */
import { randomBytes } from 'node:crypto'

export const APP_ORIGIN = 'https://app.latchkey.test'

Object.assign(process.env, {
  VERCEL_ENV: 'development',
  APP_URL: APP_ORIGIN,
  JWT_SECRET: randomBytes(32).toString('base64'),
  CRON_SECRET: randomBytes(32).toString('base64'),
  DATABASE_URL: 'postgresql://nobody:nothing@127.0.0.1:1/nowhere',
  NEON_FETCH_ENDPOINT: 'http://127.0.0.1:1/sql',
  RESEND_API_KEY: 're_for_tests',
  RESEND_BASE_URL: 'http://127.0.0.1:1',
  EMAIL_FROM: 'Latchkey <login@latchkey.test>',
  PRODUCT_NAME: 'Latchkey',
})
