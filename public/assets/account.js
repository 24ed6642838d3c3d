/** The account's views: devices, password, address, deletion; and the dialog that asks for the password again. */
import {
  changeEmail,
  changePassword,
  deleteAccount,
  listSessions,
  reauthenticate,
  refresh,
  revokeSession,
  session,
} from '/client/auth.js'
import { element, elements, write } from './elements.js'
import { connect, explain, say, showFieldError, showNotice } from './forms.js'
import { explainStep } from './panel.js'

/** @typedef {import('./forms.js').Problem} Problem */

const WRONG_PASSWORD = 'Wrong password. Try again.'

const devicesForm = element('#devices-form', HTMLFormElement)
const deviceList = element('#device-list', HTMLElement)
const revokeOthers = element('#revoke-others', HTMLElement)
const dialog = element('#reauthentication', HTMLDialogElement)
const dialogForm = element('form', HTMLFormElement, dialog)
const passwordForm = element('#change-password form', HTMLFormElement)
const emailForm = element('#change-email form', HTMLFormElement)
const deletionForm = element('#delete-account form', HTMLFormElement)

/** Repeats what was refused with `reauthentication-required`. */
let repeat = () => {}

export function connectAccount() {
  connect(
    devicesForm,
    ({ revoke }) => revokeSession(revoke === 'others' ? { others: true } : { id: revoke }),
    (_, { revoke }) => {
      say(revoke === 'others' ? 'All other devices are signed out.' : 'That device is signed out.')
      explainStep('revoked')
      element('#devices h1', HTMLElement).focus()
      void showSessions()
    },
    (problem, { revoke }) => {
      if (problem.code === 'not-found') {
        say('That device was already signed out.')
        void showSessions()
        return true
      }
      return refused(devicesForm, problem, revoke)
    },
  )

  connect(
    dialogForm,
    ({ password }) => reauthenticate(password),
    () => {
      dialog.close()
      explainStep('reauthenticated')
      repeat()
    },
    (problem) => wrongPassword(dialogForm, problem),
  )
  element('#reauthentication-cancel', HTMLButtonElement).addEventListener('click', () => dialog.close())
  dialog.addEventListener('close', () => dialogForm.reset())

  connect(
    passwordForm,
    ({ currentPassword, newPassword }) => changePassword({ currentPassword, newPassword }),
    () => {
      passwordForm.reset()
      say('Your password is changed. All other devices are signed out.')
      explainStep('password-changed')
    },
    (problem) => wrongPassword(passwordForm, problem),
  )

  connect(
    emailForm,
    ({ email }) => changeEmail(email),
    (_, { email }) => {
      emailForm.reset()
      say(`We’ve sent an email to ${email}. Open its link to complete the change.`)
      explainStep('email-change')
    },
    (problem) => refused(emailForm, problem),
  )

  connect(
    deletionForm,
    () => deleteAccount(),
    () => {
      say('Your account is deleted.')
      explainStep('deleted')
    },
    (problem) => refused(deletionForm, problem),
  )
}

/** @param {import('../../client/auth.ts').SessionState & { kind: 'signed-in' }} now */
export function showAccount({ user, session: { absoluteExpiresAt } }) {
  write('.account-email', user.email)
  write('#account-verified', user.emailVerified ? 'confirmed' : 'not confirmed')
  write('#account-role', user.role)
  write('#session-ends', inFull(absoluteExpiresAt))
  nameAccount(user.email)
}

/**
 * Tells password managers whose password the forms ask for. A default value survives a reset of its form.
 * @param {string} email
 */
function nameAccount(email) {
  for (const field of elements('input[autocomplete="username"][hidden]', HTMLInputElement)) {
    field.defaultValue = email
  }
}

export function clearAccount() {
  dialog.close()
  write('.account-email, #account-verified, #account-role, #session-ends', '')
  nameAccount('')
  deviceList.replaceChildren()
  revokeOthers.hidden = true
}

export async function showSessions() {
  const result = await listSessions()
  if (session.getSnapshot().kind !== 'signed-in') return
  if (!result.ok) {
    if (!signedOutMeanwhile(result.problem)) showNotice(devicesForm, ...explain(result.problem), tryAgain())
    return
  }
  showNotice(devicesForm)
  const { current, sessions } = result.body
  deviceList.replaceChildren(...sessions.map((one) => itemOf(one, one.id === current)))
  revokeOthers.hidden = sessions.length < 2
}

/**
 * @param {import('../../client/auth.ts').Session} session
 * @param {boolean} current
 */
function itemOf({ id, client, ip, lastClient, lastIp, createdAt, lastUsedAt, absoluteExpiresAt }, current) {
  const item = element('li', HTMLElement, cloneOf('#device'))
  element('.device-client', HTMLElement, item).textContent = client
  if (!current) element('.here', HTMLElement, item).remove()
  const moved = lastClient !== client || lastIp !== ip
  const facts = [
    `Signed in ${inFull(createdAt)}${from(ip)}`,
    `Last used ${inFull(lastUsedAt)}${moved ? from(lastIp, lastClient) : ''}`,
    `Expires ${inFull(absoluteExpiresAt)} at the latest`,
  ]
  element('.device-facts', HTMLElement, item).replaceChildren(...facts.map(lineOf))
  const button = element('button', HTMLButtonElement, item)
  button.value = id
  element('.visually-hidden', HTMLElement, button).textContent = ` ${client}, signed in ${inFull(createdAt)}`
  if (current) button.remove()
  return item
}

/**
 * @param {string | null} ip
 * @param {string} [client]
 */
function from(ip, client) {
  const places = [client, ip].filter((place) => place)
  return places.length === 0 ? '' : `, from ${places.join(', ')}`
}

/** @param {string} text */
function lineOf(text) {
  const line = document.createElement('li')
  line.textContent = text
  return line
}

/** @param {string} template */
function cloneOf(template) {
  return document.importNode(element(template, HTMLTemplateElement).content, true)
}

function tryAgain() {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Try again'
  button.addEventListener('click', () => void showSessions())
  return button
}

/**
 * After `reauthentication-required`, asks for the password in a dialog, then submits the form again. Its input is kept.
 * @param {HTMLFormElement} form
 * @param {Problem} problem
 * @param {string} [value] of the submit button, if the form has several
 * @returns {boolean} whether the problem was handled
 */
export function refused(form, problem, value) {
  if (problem.code !== 'reauthentication-required') return signedOutMeanwhile(problem)
  repeat = () => {
    const buttons = elements('button[type="submit"]', HTMLButtonElement, form)
    form.requestSubmit(buttons.find((button) => value === undefined || button.value === value))
  }
  dialog.showModal()
  return true
}

/**
 * @param {HTMLFormElement} form
 * @param {Problem} problem
 * @returns {boolean} whether the problem was handled
 */
function wrongPassword(form, problem) {
  if (problem.code !== 'invalid-credentials') return signedOutMeanwhile(problem)
  showFieldError(element('input[type="password"]', HTMLInputElement, form), WRONG_PASSWORD)
  return true
}

/**
 * Whether nobody is signed in any longer. If the session may have ended, the client is made to check.
 * @param {Problem} problem
 */
function signedOutMeanwhile({ code }) {
  if (code === 'unauthorized') void refresh()
  return session.getSnapshot().kind !== 'signed-in'
}

/** @param {string} time */
function inFull(time) {
  return new Date(time).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })
}
