import type { Language } from '../messages.ts'

// \u00A0 is the space that French puts before : ; ? and that no line may break at.
export const french: Language = {
  tag: 'fr',
  direction: 'ltr',
  withoutButton: 'Si le bouton ne fonctionne pas, ouvrez cette adresse dans votre navigateur\u00A0:',
  codeInstead:
    'Vous lisez ce message sur un autre appareil\u00A0? Saisissez plutôt ce code sur la page où vous avez fait votre demande\u00A0:',
  codeIsSecret: 'Ne communiquez ce code à personne.',
  neverAsked: (product) =>
    `${product} ne vous demandera jamais d’envoyer à quiconque votre mot de passe ou un code.`,
  help: (address) => `Une question\u00A0? Écrivez à ${address}.`,
  emails: {
    'confirm-registration': ({ product, registrationLinkHours: hours }) => ({
      subject: `Confirmez votre adresse pour ${product}`,
      preview: `Plus qu’une étape pour créer votre compte. Le lien est valable ${hours} heures.`,
      paragraphs: [
        `Confirmez que cette adresse est la vôtre, et votre compte ${product} sera prêt.`,
        `Le lien ne sert qu’une fois et reste valable ${hours} heures. Si vous l’ouvrez dans un autre navigateur que celui de votre inscription, la page vous demandera le mot de passe que vous avez choisi.`,
      ],
      button: 'Confirmer mon adresse',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette inscription, vous n’avez rien à faire. Sans confirmation, aucun compte ne sera créé.',
    }),
    'already-registered': ({ product }) => ({
      subject: `Vous avez déjà un compte ${product}`,
      preview: 'Rien n’a changé. Vous pouvez vous connecter comme d’habitude.',
      paragraphs: [
        `Quelqu’un, sans doute vous, a voulu utiliser cette adresse pour un nouveau compte ${product}. Elle est déjà celle d’un compte\u00A0: rien n’a donc changé.`,
        'Connectez-vous comme d’habitude. Si vous avez oublié votre mot de passe, demandez-en un nouveau sur la page de connexion.',
      ],
      button: 'Aller à la connexion',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette demande, vous n’avez rien à faire. Votre compte et votre mot de passe sont inchangés, et personne n’a appris ainsi que vous avez un compte.',
    }),
    'reset-password': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Choisissez un nouveau mot de passe pour ${product}`,
      preview: `Le lien ne sert qu’une fois et reste valable ${minutes} minutes.`,
      paragraphs: [
        `Quelqu’un, sans doute vous, a demandé un nouveau mot de passe pour votre compte ${product}.`,
        `Le lien ne sert qu’une fois et reste valable ${minutes} minutes. Dès que le nouveau mot de passe est en place, tous les appareils sont déconnectés.`,
      ],
      button: 'Choisir un mot de passe',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette demande, vous n’avez rien à faire. Votre mot de passe reste le même.',
    }),
    'reset-required': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Votre compte ${product} demande un nouveau mot de passe`,
      preview: `L’ancien ne fonctionne plus. Le lien ne sert qu’une fois et reste valable ${minutes} minutes.`,
      paragraphs: [
        `Le mot de passe de votre compte ${product} ne fonctionne plus, et tous les appareils ont été déconnectés. Cette mesure vient des responsables de ${product}, pour que le compte reste le vôtre.`,
        `Choisissez-en un nouveau. Le lien ne sert qu’une fois et reste valable ${minutes} minutes ; ensuite, demandez-en un autre sur la page de connexion.`,
      ],
      button: 'Choisir un mot de passe',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette demande, tout est normal : elle vous protège. Si vous utilisez l’ancien mot de passe ailleurs, changez-le là aussi.',
    }),
    'password-reset': ({ product }) => ({
      subject: `Votre mot de passe ${product} a été modifié`,
      preview:
        'La modification est passée par un e-mail à cette adresse. Tous les appareils ont été déconnectés.',
      paragraphs: [
        `Le mot de passe de votre compte ${product} a été modifié au moyen d’un e-mail envoyé à cette adresse, et tous les appareils ont été déconnectés.`,
        'Désormais, connectez-vous avec le nouveau mot de passe.',
      ],
      button: 'Aller à la connexion',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette modification, quelqu’un peut lire vos e-mails. Protégez d’abord votre messagerie en changeant son mot de passe. Demandez ensuite un nouveau mot de passe sur la page de connexion.',
    }),
    'password-locked': ({ product }) => ({
      subject: `Votre mot de passe ${product} est bloqué`,
      preview: 'Trop de mots de passe erronés ont été saisis à la suite.',
      paragraphs: [
        `Trop de mots de passe erronés ont été saisis à la suite pour votre compte ${product}\u00A0: son mot de passe est donc bloqué. Les appareils connectés le restent.`,
        'Pour vous connecter de nouveau, choisissez un autre mot de passe\u00A0: demandez-le sur la page de connexion.',
      ],
      button: 'Aller à la connexion',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de ces tentatives, quelqu’un a essayé de deviner votre mot de passe, sans succès. Choisissez-en un nouveau, que vous n’utilisez nulle part ailleurs.',
    }),
    'login-after-failures': ({ product }) => ({
      subject: `Connexion à ${product} après plusieurs mots de passe erronés`,
      preview: 'Ce navigateur ne s’était encore jamais connecté à votre compte.',
      paragraphs: [
        `Quelqu’un, sans doute vous, s’est connecté à votre compte ${product} après plusieurs mots de passe erronés, depuis un navigateur qui ne s’y était encore jamais connecté.`,
        'Si c’était vous, vous n’avez rien à faire.',
      ],
      button: 'Voir mes appareils',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette connexion, quelqu’un connaît votre mot de passe. Demandez-en tout de suite un nouveau sur la page de connexion\u00A0: tous les appareils seront déconnectés. Choisissez-en un que vous n’utilisez nulle part ailleurs.',
    }),
    'refresh-token-reused': ({ product }) => ({
      subject: `Un appareil a été déconnecté de ${product}`,
      preview: 'L’une de vos sessions était utilisée à deux endroits. Elle a été fermée.',
      paragraphs: [
        `L’une de vos sessions ${product} était utilisée à deux endroits, ce qui arrive lorsque quelqu’un l’a copiée. Elle a été fermée\u00A0: votre appareil est déconnecté, la copie aussi.`,
        'Vous pouvez vous reconnecter sur votre appareil.',
      ],
      button: 'Aller à la connexion',
      ifNotYou:
        'Si vous n’êtes pas à l’origine des deux utilisations, quelqu’un a peut-être eu accès à votre compte. Demandez sans attendre un nouveau mot de passe sur la page de connexion\u00A0: tous les appareils seront alors déconnectés.',
    }),
    'password-changed': ({ product }) => ({
      subject: `Votre mot de passe ${product} a été modifié`,
      preview: 'Tous les autres appareils ont été déconnectés.',
      paragraphs: [
        `Le mot de passe de votre compte ${product} a été modifié sur un appareil connecté, à l’aide de l’ancien mot de passe. Tous les autres appareils ont été déconnectés.`,
        'Si cela vient de vous, vous n’avez plus rien à faire.',
      ],
      button: 'Aller à la connexion',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette modification, demandez sans attendre un nouveau mot de passe sur la page de connexion\u00A0: tous les appareils seront déconnectés, y compris l’appareil inconnu.',
    }),
    'confirm-email-change': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Confirmez votre nouvelle adresse pour ${product}`,
      preview: `Rien ne change avant votre confirmation. Le lien est valable ${hours} heures.`,
      paragraphs: [
        `Confirmez que cette adresse est la vôtre\u00A0: votre compte ${product} l’utilisera dès lors. D’ici là, rien ne change.`,
        `Le lien ne sert qu’une fois et reste valable ${hours} heures. Dans un navigateur où votre session n’est pas ouverte, la page vous demandera votre mot de passe.`,
      ],
      button: 'Utiliser cette adresse',
      ifNotYou:
        'Si vous n’êtes pas à l’origine de cette demande, vous n’avez rien à faire. Il peut s’agir d’une faute de frappe dans l’adresse de quelqu’un d’autre\u00A0; sans confirmation, rien ne change.',
    }),
    'email-change-requested': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Demande de changement de votre adresse ${product}`,
      preview: 'Si cela vient de vous, vous n’avez rien à faire. Sinon, vous pouvez annuler ce changement.',
      paragraphs: [
        `Une autre adresse a été demandée pour votre compte ${product}, sur un appareil connecté et à l’aide de votre mot de passe. Rien ne change avant que cette autre adresse soit confirmée.`,
        'Si cela vient de vous, vous n’avez rien à faire ici.',
      ],
      button: 'Annuler le changement',
      ifNotYou: `Si vous n’êtes pas à l’origine de cette demande, annulez ce changement\u00A0; le lien est valable ${hours} heures. Demandez ensuite un nouveau mot de passe sur la page de connexion\u00A0: tous les appareils seront déconnectés.`,
    }),
    'email-changed': ({ product, support }) => ({
      subject: `Votre adresse ${product} a été modifiée`,
      preview: 'Les e-mails concernant votre compte iront désormais à une autre adresse.',
      paragraphs: [
        `Votre compte ${product} utilise désormais une autre adresse. Les e-mails qui le concernent n’arriveront plus à celle-ci.`,
        'Si cela vient de vous, vous n’avez plus rien à faire.',
      ],
      ifNotYou:
        support === undefined
          ? `Si vous n’êtes pas à l’origine de cette modification, prévenez sans attendre l’équipe de ${product}.`
          : `Si vous n’êtes pas à l’origine de cette modification, écrivez sans attendre à ${support} depuis cette adresse.`,
    }),
    'account-deleted': ({ product, support }) => ({
      subject: `Votre compte ${product} a été supprimé`,
      preview: 'Le compte n’existe plus et tous les appareils sont déconnectés.',
      paragraphs: [
        `Votre compte ${product} a été supprimé sur un appareil connecté, à l’aide de votre mot de passe. Cette suppression est définitive\u00A0; tous les appareils sont déconnectés.`,
        'Si cela vient de vous, vous n’avez plus rien à faire.',
      ],
      ifNotYou:
        support === undefined
          ? `Si vous n’êtes pas à l’origine de cette suppression, prévenez sans attendre l’équipe de ${product}. Changez aussi ce mot de passe partout où vous l’utilisez.`
          : `Si vous n’êtes pas à l’origine de cette suppression, écrivez sans attendre à ${support}. Changez aussi ce mot de passe partout où vous l’utilisez.`,
    }),
  },
}
