import type { Language } from '../messages.ts'

export const english: Language = {
  tag: 'en',
  direction: 'ltr',
  withoutButton: 'If the button doesn’t work, open this link in your browser:',
  codeInstead: 'Reading this on another device? Enter this code on the page where you requested this email:',
  codeIsSecret: 'Don’t share this code with anyone.',
  neverAsked: (product) => `${product} will never ask you for your password or a code by email or phone.`,
  help: (address) => `Questions? Write to ${address}.`,
  emails: {
    'confirm-registration': ({ product, registrationLinkHours: hours }) => ({
      subject: `Confirm your email address for ${product}`,
      preview: `One more step, and your account is ready. The link works for ${hours} hours.`,
      paragraphs: [
        `Confirm your email address to finish setting up your ${product} account.`,
        `The link works once and expires in ${hours} hours. If you open it in a different browser from the one you signed up in, you’ll be asked for the password you chose.`,
      ],
      button: 'Confirm my email address',
      ifNotYou: 'If you didn’t sign up, ignore this email. No account is created unless you confirm.',
    }),
    'already-registered': ({ product }) => ({
      subject: `You already have a ${product} account`,
      preview: 'Nothing has changed. You can sign in as usual.',
      paragraphs: [
        `Someone, probably you, tried to sign up for ${product} with this email address. It already has an account, so nothing has changed.`,
        'Sign in as usual. If you’ve forgotten your password, you can reset it on the sign-in page.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it wasn’t you, you don’t need to do anything. Your account hasn’t changed, and the person who tried doesn’t know that you have one.',
    }),
    'reset-password': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Reset your ${product} password`,
      preview: `The link works once and expires in ${minutes} minutes.`,
      paragraphs: [
        `Someone, probably you, asked to reset the password of your ${product} account.`,
        `The link works once and expires in ${minutes} minutes. When you set a new password, all your devices are signed out.`,
      ],
      button: 'Choose a new password',
      ifNotYou: 'If it wasn’t you, ignore this email. Your password stays the same.',
    }),
    'reset-required': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Your ${product} account needs a new password`,
      preview: `Your old one no longer works. The link works once and expires in ${minutes} minutes.`,
      paragraphs: [
        `To protect your account, the ${product} team has reset your password and signed out all your devices.`,
        `Choose a new password. The link works once and expires in ${minutes} minutes. After that, request a new one on the sign-in page.`,
      ],
      button: 'Choose a new password',
      ifNotYou:
        'You didn’t request this, and you haven’t done anything wrong. If you use the old password anywhere else, change it there, too.',
    }),
    'password-reset': ({ product }) => ({
      subject: `Your ${product} password was changed`,
      preview: 'It was reset through a link sent to this address. All your devices were signed out.',
      paragraphs: [
        `The password of your ${product} account was reset through an email to this address, and all your devices were signed out.`,
        'Use the new password to sign in from now on.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it wasn’t you, someone has access to your mailbox. Change the password of your mailbox first. Then reset your password on the sign-in page.',
    }),
    'password-locked': ({ product }) => ({
      subject: `Your ${product} password is locked`,
      preview: 'There were too many failed attempts to sign in.',
      paragraphs: [
        `There were too many failed attempts to sign in to your ${product} account, so its password is locked. Devices that are signed in stay signed in.`,
        'To sign in again, reset your password on the sign-in page.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it wasn’t you, someone was guessing your password and didn’t get in. Choose a new password that you don’t use anywhere else.',
    }),
    'login-after-failures': ({ product }) => ({
      subject: `New sign-in to ${product} after several failed attempts`,
      preview: 'It came from a browser that hadn’t signed in to your account before.',
      paragraphs: [
        `Someone, probably you, signed in to your ${product} account after several failed attempts, in a browser that hadn’t signed in to it before.`,
        'If it was you, you don’t need to do anything.',
      ],
      button: 'Review my devices',
      ifNotYou:
        'If it wasn’t you, someone knows your password. Reset it on the sign-in page now: that signs out all devices. Choose one that you don’t use anywhere else.',
    }),
    'refresh-token-reused': ({ product }) => ({
      subject: `A device was signed out of ${product}`,
      preview: 'The same session was used in two places, so we ended it.',
      paragraphs: [
        `One of your ${product} sessions was used in two places, which can happen when someone has copied it. To be safe, we ended it: your device is signed out, and so is any copy.`,
        'You can sign in again on that device.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If you don’t recognize this, someone may have had access to your account. Reset your password on the sign-in page now: that signs out all devices.',
    }),
    'password-changed': ({ product }) => ({
      subject: `Your ${product} password was changed`,
      preview: 'All your other devices were signed out.',
      paragraphs: [
        `The password of your ${product} account was changed on a device that was signed in, by someone who knew the old one. All other devices were signed out.`,
        'If it was you, you don’t need to do anything.',
      ],
      button: 'Go to sign in',
      ifNotYou:
        'If it wasn’t you, reset your password on the sign-in page now: that signs out all devices, including the intruder’s.',
    }),
    'confirm-email-change': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Confirm your new email address for ${product}`,
      preview: `Nothing changes until you confirm it. The link works for ${hours} hours.`,
      paragraphs: [
        `Confirm this email address to use it for your ${product} account. Nothing changes until you do.`,
        `The link works once and expires in ${hours} hours. In a browser that isn’t signed in, you’ll be asked for your password.`,
      ],
      button: 'Use this address',
      ifNotYou:
        'If it wasn’t you, ignore this email. Someone may have mistyped their own address. Nothing changes unless you confirm.',
    }),
    'email-change-requested': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Your ${product} email address is about to change`,
      preview: 'If it was you, you don’t need to do anything. If not, you can cancel the change.',
      paragraphs: [
        `Someone who is signed in to your ${product} account wants to change its email address. Nothing changes until the new address is confirmed.`,
        'If it was you, you don’t need to do anything.',
      ],
      button: 'Cancel the change',
      ifNotYou: `If it wasn’t you, cancel the change; the link works for ${hours} hours. Then reset your password on the sign-in page: that signs out all devices.`,
    }),
    'email-changed': ({ product, support }) => ({
      subject: `Your ${product} email address was changed`,
      preview: 'Emails about your account now go to a different address.',
      paragraphs: [
        `Your ${product} account now uses a different email address. You won’t get emails about it at this one any more.`,
        'If it was you, you don’t need to do anything.',
      ],
      ifNotYou:
        support === undefined
          ? `If it wasn’t you, contact the ${product} team right away.`
          : `If it wasn’t you, write to ${support} right away, from this address.`,
    }),
    'account-deleted': ({ product, support }) => ({
      subject: `Your ${product} account was deleted`,
      preview: 'It’s gone for good, and all your devices are signed out.',
      paragraphs: [
        `Your ${product} account was deleted by someone who was signed in to it. It’s gone for good, and all your devices are signed out.`,
        'If it was you, you don’t need to do anything.',
      ],
      ifNotYou:
        support === undefined
          ? `If it wasn’t you, contact the ${product} team right away, and change this password everywhere else you use it.`
          : `If it wasn’t you, write to ${support} right away, and change this password everywhere else you use it.`,
    }),
  },
}
