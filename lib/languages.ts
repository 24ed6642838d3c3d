/** The words of every mail in every language: loaded with the first mail, they are no part of a cold start. */
import type { MailLanguage } from './env.ts'
import { german } from './languages/de.ts'
import { english } from './languages/en.ts'
import { spanish } from './languages/es.ts'
import { french } from './languages/fr.ts'
import type { Language } from './messages.ts'

export const languages: Record<MailLanguage, Language> = { en: english, de: german, fr: french, es: spanish }
