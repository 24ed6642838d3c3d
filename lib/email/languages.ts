/** The words of every email in every language: loaded with the first email, they are no part of a cold start. */
import type { EmailLanguage } from '../env-schema.ts'
import { german } from './languages/de.ts'
import { english } from './languages/en.ts'
import { spanish } from './languages/es.ts'
import { french } from './languages/fr.ts'
import type { Language } from './messages.ts'

export const languages: Record<EmailLanguage, Language> = { en: english, de: german, fr: french, es: spanish }
