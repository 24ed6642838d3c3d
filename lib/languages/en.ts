import type { Language } from '../messages.ts'

export const english: Language = {
  tag: 'en',
  direction: 'ltr',
  withoutButton: 'If the button does not work, open this address in your browser:',
  codeInstead:
    'Reading this on another device? Type this code instead, on the page where you asked for this mail:',
  codeIsSecret: 'Do not share this code with anybody.',
  neverAsked: (product) => `${product} never asks you to send your password or a code to anybody.`,
  help: (address) => `Questions? Write to ${address}.`,
  mails: {
    'confirm-registration': ({ product, registrationLinkHours: hours }) => ({
      subject: `Confirm your address for ${product}`,
      preview: `One more step and your account is ready. The link works for ${hours} hours.`,
      paragraphs: [
        `Confirm that this address is yours, and your ${product} account is ready.`,
        `The link works once, for ${hours} hours. If you open it in another browser than the one you registered in, the page asks for the password you chose.`,
      ],
      button: 'Confirm my address',
      ifNotYou:
        'If it was not you who registered, do nothing. Without a confirmation there will be no account.',
    }),
    'already-registered': ({ product }) => ({
      subject: `You already have an account at ${product}`,
      preview: 'Nothing has changed. You can sign in as usual.',
      paragraphs: [
        `Somebody, probably you, wanted to use this address for a new ${product} account. It belongs to one already, so nothing has changed.`,
        'Sign in as usual. If you have forgotten the password, ask for a new one on the sign-in page.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it was not you, you need not do anything. Your account and your password are as they were, and whoever tried has not been told that you have an account.',
    }),
    'reset-password': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Choose a new password for ${product}`,
      preview: `The link works once, for ${minutes} minutes.`,
      paragraphs: [
        `Somebody, probably you, asked for a new password for your ${product} account.`,
        `The link works once, for ${minutes} minutes. As soon as the new password is set, every device is signed out.`,
      ],
      button: 'Choose a new password',
      ifNotYou: 'If it was not you, do nothing. Your password stays as it is.',
    }),
    'reset-required': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Your ${product} account needs a new password`,
      preview: `The old one no longer works. The link works once, for ${minutes} minutes.`,
      paragraphs: [
        `The password of your ${product} account no longer works, and every device was signed out. That was done by those who run ${product}, to keep the account yours.`,
        `Choose a new one. The link works once, for ${minutes} minutes; later, ask for another one on the sign-in page.`,
      ],
      button: 'Choose a new password',
      ifNotYou:
        'If it was not you who asked for this, nothing is wrong: it was done for you. If you use the old password elsewhere, change it there, too.',
    }),
    'password-reset': ({ product }) => ({
      subject: `Your ${product} password was changed`,
      preview: 'It was changed by way of a mail to this address. Every device was signed out.',
      paragraphs: [
        `The password of your ${product} account was changed by way of a mail to this address, and every device was signed out.`,
        'From now on, sign in with the new password.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it was not you, somebody can read your mail. First secure your mailbox by changing its password. Then ask for a new password on the sign-in page.',
    }),
    'password-locked': ({ product }) => ({
      subject: `Your ${product} password is locked`,
      preview: 'There were too many wrong passwords in a row.',
      paragraphs: [
        `Too many wrong passwords in a row were tried for your ${product} account, so its password is locked. Devices that are signed in stay signed in.`,
        'To sign in again, choose a new password: ask for one on the sign-in page.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it was not you, somebody was guessing, and did not get in. Choose a new password that you use nowhere else.',
    }),
    'login-after-failures': ({ product }) => ({
      subject: `A sign-in to ${product} after several wrong passwords`,
      preview: 'It was a browser that had not signed in to your account before.',
      paragraphs: [
        `Somebody, probably you, signed in to your ${product} account after several wrong passwords, in a browser that had not signed in to it before.`,
        'If it was you, there is nothing to do.',
      ],
      button: 'Look at my devices',
      ifNotYou:
        'If it was not you, somebody knows your password. Ask for a new one on the sign-in page at once: that signs out every device. Choose one that you use nowhere else.',
    }),
    'refresh-token-reused': ({ product }) => ({
      subject: `A device was signed out of ${product}`,
      preview: 'One of your sign-ins was in use in two places, so it was ended.',
      paragraphs: [
        `One of your sign-ins to ${product} was in use in two places, which happens when somebody has copied it. It was ended: your device is signed out, and so is the copy.`,
        'You can sign in again on that device.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it was not you in both places, somebody may have had access to your account. Ask for a new password on the sign-in page at once: that signs out every device.',
    }),
    'password-changed': ({ product }) => ({
      subject: `Your ${product} password was changed`,
      preview: 'Every other device was signed out.',
      paragraphs: [
        `The password of your ${product} account was changed on a device that was signed in, by somebody who knew the old one. Every other device was signed out.`,
        'If it was you, there is nothing left to do.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it was not you, ask for a new password on the sign-in page at once: that signs out every device, the stranger’s included.',
    }),
    'confirm-email-change': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Confirm your new address for ${product}`,
      preview: `Until you confirm it, nothing changes. The link works for ${hours} hours.`,
      paragraphs: [
        `Confirm that this address is yours, and your ${product} account uses it from then on. Until then, nothing changes.`,
        `The link works once, for ${hours} hours. In a browser that is not signed in, the page asks for your password.`,
      ],
      button: 'Use this address',
      ifNotYou:
        'If it was not you, do nothing. Somebody may have mistyped their own address, and without a confirmation nothing changes.',
    }),
    'email-change-requested': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Somebody wants to change your ${product} address`,
      preview: 'If that is you, there is nothing to do here. If not, you can stop it.',
      paragraphs: [
        `Somebody who is signed in to your ${product} account and knows its password wants it to use another address. Nothing changes before that address is confirmed.`,
        'If it was you, there is nothing to do here.',
      ],
      button: 'Stop this change',
      ifNotYou: `If it was not you, stop this change; the link works for ${hours} hours. Then ask for a new password on the sign-in page: that signs out every device.`,
    }),
    'email-changed': ({ product, support }) => ({
      subject: `Your ${product} address was changed`,
      preview: 'Mails about your account go to another address from now on.',
      paragraphs: [
        `Your ${product} account uses another address from now on. Mails about it no longer come to this one.`,
        'If it was you, there is nothing left to do.',
      ],
      ifNotYou:
        support === undefined
          ? `If it was not you, tell the people who run ${product} at once.`
          : `If it was not you, write to ${support} at once, from this address.`,
    }),
    'account-deleted': ({ product, support }) => ({
      subject: `Your ${product} account was deleted`,
      preview: 'It is gone, and every device is signed out.',
      paragraphs: [
        `Your ${product} account was deleted by somebody who was signed in and knew its password. It is gone for good, and every device is signed out.`,
        'If it was you, there is nothing left to do.',
      ],
      ifNotYou:
        support === undefined
          ? `If it was not you, tell the people who run ${product} at once. Change this password wherever else you use it.`
          : `If it was not you, write to ${support} at once. Change this password wherever else you use it.`,
    }),
  },
}
