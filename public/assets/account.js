/** What a person does with their account: devices, password, address, deletion. */
import {
  changeEmail,
  changePassword,
  deleteAccount,
  devices,
  endDevice,
  login,
  refresh,
  session,
} from '/client/auth.js'
import { element, elements, write } from './elements.js'
import { connect, explain, say, showFieldError, showNotice } from './forms.js'
import { explainStep } from './panel.js'

/** @typedef {import('./forms.js').Problem} Problem */

const WRONG_PASSWORD = 'That is not your password. Try again.'

const devicesForm = element('#devices-form', HTMLFormElement)
const deviceList = element('#device-list', HTMLElement)
const endOthers = element('#end-others', HTMLElement)
const signInAgainForm = element('#sign-in-again', HTMLFormElement)
const passwordForm = element('#change-password form', HTMLFormElement)
const emailForm = element('#change-email form', HTMLFormElement)
const deletionForm = element('#delete-account form', HTMLFormElement)

/** What was to be ended when the server asked for a sign-in. */
let wanted = ''

export function connectAccount() {
  connect(
    devicesForm,
    ({ end }) => {
      wanted = end
      signInAgainForm.hidden = true
      return endDevice(end === 'others' ? { others: true } : { id: end })
    },
    (_, { end }) => {
      say(end === 'others' ? 'Every other device is signed out.' : 'That device is signed out.')
      explainStep('device-ended')
      element('#devices h1', HTMLElement).focus()
      void showDevices()
    },
    (problem) => {
      if (problem.code === 'not-found') {
        say('That device was signed out already.')
        void showDevices()
        return true
      }
      if (problem.code !== 'reauthentication-required') return signedOutMeanwhile(problem)
      signInAgainForm.hidden = false
      element('input[type="password"]', HTMLInputElement, signInAgainForm).focus()
      return true
    },
  )

  connect(
    signInAgainForm,
    ({ password }) => login({ email: emailNow(), password }),
    () => {
      signInAgainForm.hidden = true
      explainStep('signed-in-again')
      const button = elements('button[name="end"]', HTMLButtonElement, devicesForm).find(
        ({ value }) => value === wanted,
      )
      devicesForm.requestSubmit(button)
    },
    (problem) => wrongPassword(signInAgainForm, problem),
  )

  connect(
    passwordForm,
    ({ currentPassword, newPassword }) => changePassword({ currentPassword, newPassword }),
    () => {
      passwordForm.reset()
      say('Your password is changed. Every other device is signed out.')
      explainStep('password-changed')
    },
    (problem) => wrongPassword(passwordForm, problem),
  )

  connect(
    emailForm,
    ({ currentPassword, email }) => changeEmail({ currentPassword, email }),
    (_, { email }) => {
      emailForm.reset()
      say(`We have sent a mail to ${email}. Your address changes once you have confirmed it there.`)
      explainStep('email-asked')
    },
    (problem) => wrongPassword(emailForm, problem),
  )

  connect(
    deletionForm,
    ({ currentPassword }) => deleteAccount({ currentPassword }),
    () => {
      say('Your account is deleted.')
      explainStep('deleted')
    },
    (problem) => wrongPassword(deletionForm, problem),
  )
}

/** @param {import('../../client/auth.ts').SessionState & { kind: 'signed-in' }} now */
export function showAccount({ user, session: { endsAt } }) {
  write('.account-email', user.email)
  write('#account-verified', user.emailVerified ? 'confirmed' : 'not confirmed')
  write('#account-role', user.role)
  write('#session-ends', inFull(endsAt))
  tellPasswordManager(user.email)
}

/**
 * Whose password it is. What a field has by default outlasts a reset of its form.
 * @param {string} email
 */
function tellPasswordManager(email) {
  for (const field of elements('input[autocomplete="username"][hidden]', HTMLInputElement)) {
    field.defaultValue = email
  }
}

export function forgetAccount() {
  wanted = ''
  write('.account-email, #account-verified, #account-role, #session-ends', '')
  tellPasswordManager('')
  deviceList.replaceChildren()
  endOthers.hidden = true
  signInAgainForm.hidden = true
}

/** Asks for the devices and lists them. */
export async function showDevices() {
  const result = await devices()
  if (session.getSnapshot().kind !== 'signed-in') return
  if (!result.ok) {
    if (!signedOutMeanwhile(result.problem)) showNotice(devicesForm, ...explain(result.problem), tryAgain())
    return
  }
  showNotice(devicesForm)
  const { current, sessions } = result.answer
  deviceList.replaceChildren(...sessions.map((device) => itemOf(device, device.id === current)))
  endOthers.hidden = sessions.length < 2
}

/**
 * @param {import('../../client/auth.ts').Devices['sessions'][number]} device
 * @param {boolean} current
 */
function itemOf({ id, client, ip, createdAt, lastUsedAt, endsAt }, current) {
  const item = element('li', HTMLElement, cloneOf('#device'))
  element('.device-client', HTMLElement, item).textContent = client
  if (!current) element('.here', HTMLElement, item).remove()
  const facts = [
    `Signed in ${inFull(createdAt)}`,
    `Last used ${inFull(lastUsedAt)}${ip === null ? '' : `, from ${ip}`}`,
    `Ends ${inFull(endsAt)} at the latest`,
  ]
  element('.device-facts', HTMLElement, item).replaceChildren(...facts.map(lineOf))
  const button = element('button', HTMLButtonElement, item)
  button.value = id
  element('.unseen', HTMLElement, button).textContent = ` of ${client}, signed in ${inFull(createdAt)}`
  if (current) button.remove()
  return item
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
  button.addEventListener('click', () => void showDevices())
  return button
}

/**
 * @param {HTMLFormElement} form
 * @param {Problem} problem
 * @returns {boolean} whether it was dealt with
 */
function wrongPassword(form, problem) {
  if (problem.code !== 'invalid-credentials') return signedOutMeanwhile(problem)
  showFieldError(element('input[type="password"]', HTMLInputElement, form), WRONG_PASSWORD)
  return true
}

/**
 * Whether the page shows the sign-in form by now. Where the session may have ended, the client is made to find out.
 * @param {Problem} problem
 */
function signedOutMeanwhile({ code }) {
  if (code === 'unauthorized') void refresh()
  return session.getSnapshot().kind !== 'signed-in'
}

function emailNow() {
  const state = session.getSnapshot()
  return state.kind === 'signed-in' ? state.user.email : ''
}

/** @param {string} time */
function inFull(time) {
  return new Date(time).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })
}
