/** What the functions get, of all that the tests' own process has. */
const NAMES = [
  'VERCEL_ENV',
  'APP_URL',
  'JWT_SECRET',
  'CRON_SECRET',
  'DATABASE_URL',
  'NEON_FETCH_ENDPOINT',
  'RESEND_API_KEY',
  'RESEND_BASE_URL',
  'EMAIL_FROM',
  'PRODUCT_NAME',
]

export function functionEnvironment(others: Record<string, string> = {}): Record<string, string> {
  const own = NAMES.map((name) => [name, process.env[name] ?? ''])
  return { ...Object.fromEntries(own), ...others }
}
