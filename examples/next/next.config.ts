import type { NextConfig } from 'next'

const config: NextConfig = {
  // It has a binary, which no bundler can take in.
  serverExternalPackages: ['@node-rs/argon2'],
  // This project's own folder, whatever lock file lies above it.
  turbopack: { root: import.meta.dirname },
}

export default config
