/** What a check found. */
export interface Finding {
  about: 'environment' | 'origin' | 'secrets' | 'database' | 'clock' | 'role' | 'migrations' | 'email'
  /**
   * `error`: something set is wrong, and stays so until it is fixed. `warning`: something doesn't work or isn't safe
   * now. `info`: it works, and could be better.
   */
  level: 'ok' | 'info' | 'warning' | 'error'
  message: string
  fix?: string
}

type About = Finding['about']

export function ok(about: About, message: string): Finding {
  return { about, level: 'ok', message }
}

export function info(about: About, message: string, fix?: string): Finding {
  return { about, level: 'info', message, ...(fix !== undefined && { fix }) }
}

export function warning(about: About, message: string, fix: string): Finding {
  return { about, level: 'warning', message, fix }
}

export function error(about: About, message: string, fix?: string): Finding {
  return { about, level: 'error', message, ...(fix !== undefined && { fix }) }
}
