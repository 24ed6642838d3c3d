import type { Language } from '../messages.ts'

export const german: Language = {
  tag: 'de',
  direction: 'ltr',
  withoutButton: 'Falls die Schaltfläche nicht funktioniert, öffnen Sie diese Adresse im Browser:',
  codeInstead:
    'Sie lesen diese E-Mail auf einem anderen Gerät? Dann geben Sie diesen Code auf der Seite ein, auf der Sie sie angefordert haben:',
  codeIsSecret: 'Geben Sie diesen Code an niemanden weiter.',
  neverAsked: (product) =>
    `${product} fordert Sie nie auf, Ihr Passwort oder einen Code an jemanden zu senden.`,
  help: (address) => `Fragen? Schreiben Sie an ${address}.`,
  emails: {
    'confirm-registration': ({ product, registrationLinkHours: hours }) => ({
      subject: `Bestätigen Sie Ihre Adresse für ${product}`,
      preview: `Nur noch ein Schritt bis zu Ihrem Konto. Der Link gilt ${hours} Stunden.`,
      paragraphs: [
        `Bestätigen Sie, dass diese Adresse Ihnen gehört, und Ihr Konto bei ${product} ist bereit.`,
        `Der Link gilt einmal und ${hours} Stunden lang. In einem anderen Browser als dem, in dem Sie sich registriert haben, fragt die Seite nach dem Passwort, das Sie gewählt haben.`,
      ],
      button: 'Adresse bestätigen',
      ifNotYou: 'Wenn Sie das nicht waren, brauchen Sie nichts zu tun. Ohne Bestätigung entsteht kein Konto.',
    }),
    'already-registered': ({ product }) => ({
      subject: `Sie haben bereits ein Konto bei ${product}`,
      preview: 'Es hat sich nichts geändert. Sie können sich wie gewohnt anmelden.',
      paragraphs: [
        `Jemand – vermutlich Sie selbst – wollte diese Adresse für ein neues Konto bei ${product} verwenden. Sie gehört bereits zu einem Konto, deshalb hat sich nichts geändert.`,
        'Melden Sie sich wie gewohnt an. Falls Sie Ihr Passwort vergessen haben, fordern Sie auf der Anmeldeseite ein neues an.',
      ],
      button: 'Zur Anmeldung',
      ifNotYou:
        'Wenn Sie das nicht waren, brauchen Sie nichts zu tun. Ihr Konto und Ihr Passwort sind unverändert, und niemand hat dabei erfahren, dass Sie hier ein Konto haben.',
    }),
    'reset-password': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Wählen Sie ein neues Passwort für ${product}`,
      preview: `Der Link gilt einmal und ${minutes} Minuten lang.`,
      paragraphs: [
        `Jemand – vermutlich Sie selbst – hat ein neues Passwort für Ihr Konto bei ${product} angefordert.`,
        `Der Link gilt einmal und ${minutes} Minuten lang. Sobald das neue Passwort gesetzt ist, werden alle Geräte abgemeldet.`,
      ],
      button: 'Neues Passwort wählen',
      ifNotYou: 'Wenn Sie das nicht waren, brauchen Sie nichts zu tun. Ihr Passwort bleibt, wie es ist.',
    }),
    'reset-required': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Ihr Konto bei ${product} braucht ein neues Passwort`,
      preview: `Das alte gilt nicht mehr. Der Link gilt einmal und ${minutes} Minuten lang.`,
      paragraphs: [
        `Das Passwort Ihres Kontos bei ${product} gilt nicht mehr, und alle Geräte wurden abgemeldet. Das haben die Betreiber von ${product} veranlasst, damit das Konto Ihres bleibt.`,
        `Wählen Sie ein neues. Der Link gilt einmal und ${minutes} Minuten lang; danach fordern Sie auf der Anmeldeseite einen neuen an.`,
      ],
      button: 'Neues Passwort wählen',
      ifNotYou:
        'Wenn Sie das nicht waren, ist nichts falsch: Es geschah in Ihrem Interesse. Wenn Sie das alte Passwort auch anderswo verwenden, ändern Sie es dort ebenfalls.',
    }),
    'password-reset': ({ product }) => ({
      subject: `Ihr Passwort für ${product} wurde geändert`,
      preview: 'Es wurde über eine E-Mail an diese Adresse geändert. Alle Geräte wurden abgemeldet.',
      paragraphs: [
        `Das Passwort Ihres Kontos bei ${product} wurde über eine E-Mail an diese Adresse geändert, und alle Geräte wurden abgemeldet.`,
        'Melden Sie sich von jetzt an mit dem neuen Passwort an.',
      ],
      button: 'Zur Anmeldung',
      ifNotYou:
        'Wenn Sie das nicht waren, kann jemand Ihre E-Mails lesen. Sichern Sie zuerst Ihr Postfach, indem Sie dessen Passwort ändern. Fordern Sie danach auf der Anmeldeseite ein neues Passwort an.',
    }),
    'password-locked': ({ product }) => ({
      subject: `Ihr Passwort für ${product} ist gesperrt`,
      preview: 'Es wurden zu viele falsche Passwörter nacheinander eingegeben.',
      paragraphs: [
        `Für Ihr Konto bei ${product} wurden zu viele falsche Passwörter nacheinander eingegeben. Das Passwort ist deshalb gesperrt. Angemeldete Geräte bleiben angemeldet.`,
        'Um sich wieder anzumelden, wählen Sie ein neues Passwort: Fordern Sie es auf der Anmeldeseite an.',
      ],
      button: 'Zur Anmeldung',
      ifNotYou:
        'Wenn Sie das nicht waren, hat jemand geraten – ohne Erfolg. Wählen Sie ein neues Passwort, das Sie nirgendwo sonst verwenden.',
    }),
    'login-after-failures': ({ product }) => ({
      subject: `Anmeldung bei ${product} nach mehreren falschen Passwörtern`,
      preview: 'In diesem Browser war Ihr Konto zuvor noch nicht angemeldet.',
      paragraphs: [
        `Jemand, vermutlich Sie, hat sich nach mehreren falschen Passwörtern bei Ihrem Konto bei ${product} angemeldet – in einem Browser, in dem es zuvor noch nicht angemeldet war.`,
        'Wenn Sie das waren, brauchen Sie nichts zu tun.',
      ],
      button: 'Meine Geräte ansehen',
      ifNotYou:
        'Wenn Sie das nicht waren, kennt jemand Ihr Passwort. Fordern Sie auf der Anmeldeseite sofort ein neues an: Damit wird jedes Gerät abgemeldet. Wählen Sie eines, das Sie nirgendwo sonst verwenden.',
    }),
    'refresh-token-reused': ({ product }) => ({
      subject: `Ein Gerät wurde bei ${product} abgemeldet`,
      preview: 'Eine Ihrer Anmeldungen wurde an zwei Orten verwendet und deshalb beendet.',
      paragraphs: [
        `Eine Ihrer Anmeldungen bei ${product} wurde an zwei Orten verwendet. Das geschieht, wenn jemand sie kopiert hat. Sie wurde deshalb beendet: Ihr Gerät ist abgemeldet, die Kopie ebenso.`,
        'Auf Ihrem Gerät können Sie sich wieder anmelden.',
      ],
      button: 'Zur Anmeldung',
      ifNotYou:
        'Wenn Sie das nicht waren, hatte womöglich jemand Zugang zu Ihrem Konto. Fordern Sie umgehend auf der Anmeldeseite ein neues Passwort an: Damit werden alle Geräte abgemeldet.',
    }),
    'password-changed': ({ product }) => ({
      subject: `Ihr Passwort für ${product} wurde geändert`,
      preview: 'Alle anderen Geräte wurden abgemeldet.',
      paragraphs: [
        `Das Passwort Ihres Kontos bei ${product} wurde auf einem angemeldeten Gerät geändert, mit Kenntnis des bisherigen Passworts. Alle anderen Geräte wurden abgemeldet.`,
        'Wenn Sie das waren, ist alles erledigt.',
      ],
      button: 'Zur Anmeldung',
      ifNotYou:
        'Wenn Sie das nicht waren, fordern Sie umgehend auf der Anmeldeseite ein neues Passwort an: Damit werden alle Geräte abgemeldet, auch das fremde.',
    }),
    'confirm-email-change': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Bestätigen Sie Ihre neue Adresse für ${product}`,
      preview: `Bis zur Bestätigung ändert sich nichts. Der Link gilt ${hours} Stunden.`,
      paragraphs: [
        `Bestätigen Sie, dass diese Adresse Ihnen gehört. Von da an verwendet Ihr Konto bei ${product} diese Adresse; bis dahin ändert sich nichts.`,
        `Der Link gilt einmal und ${hours} Stunden lang. In einem Browser, in dem Sie nicht angemeldet sind, fragt die Seite nach Ihrem Passwort.`,
      ],
      button: 'Diese Adresse verwenden',
      ifNotYou:
        'Wenn Sie das nicht waren, brauchen Sie nichts zu tun. Vielleicht hat sich jemand bei der eigenen Adresse vertippt; ohne Bestätigung ändert sich nichts.',
    }),
    'email-change-requested': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Ihre Adresse bei ${product} soll geändert werden`,
      preview: 'Wenn Sie das waren, ist nichts zu tun. Wenn nicht, können Sie die Änderung abbrechen.',
      paragraphs: [
        `Für Ihr Konto bei ${product} soll künftig eine andere Adresse gelten. Angefordert wurde das auf einem angemeldeten Gerät, mit Kenntnis Ihres Passworts. Bevor die andere Adresse bestätigt ist, ändert sich nichts.`,
        'Wenn Sie das waren, ist hier nichts zu tun.',
      ],
      button: 'Änderung abbrechen',
      ifNotYou: `Wenn Sie das nicht waren, brechen Sie die Änderung ab; der Link gilt ${hours} Stunden. Fordern Sie danach auf der Anmeldeseite ein neues Passwort an: Damit werden alle Geräte abgemeldet.`,
    }),
    'email-changed': ({ product, support }) => ({
      subject: `Ihre Adresse bei ${product} wurde geändert`,
      preview: 'E-Mails zu Ihrem Konto gehen von jetzt an an eine andere Adresse.',
      paragraphs: [
        `Für Ihr Konto bei ${product} gilt von jetzt an eine andere Adresse. An diese hier gehen keine E-Mails zu Ihrem Konto mehr.`,
        'Wenn Sie das waren, ist alles erledigt.',
      ],
      ifNotYou:
        support === undefined
          ? `Wenn Sie das nicht waren, wenden Sie sich umgehend an das Team von ${product}.`
          : `Wenn Sie das nicht waren, schreiben Sie umgehend von dieser Adresse aus an ${support}.`,
    }),
    'account-deleted': ({ product, support }) => ({
      subject: `Ihr Konto bei ${product} wurde gelöscht`,
      preview: 'Das Konto besteht nicht mehr, und alle Geräte sind abgemeldet.',
      paragraphs: [
        `Ihr Konto bei ${product} wurde auf einem angemeldeten Gerät gelöscht, mit Kenntnis Ihres Passworts. Das lässt sich nicht rückgängig machen; alle Geräte sind abgemeldet.`,
        'Wenn Sie das waren, ist alles erledigt.',
      ],
      ifNotYou:
        support === undefined
          ? `Wenn Sie das nicht waren, wenden Sie sich umgehend an das Team von ${product}. Ändern Sie dieses Passwort überall, wo Sie es sonst noch verwenden.`
          : `Wenn Sie das nicht waren, schreiben Sie umgehend an ${support}. Ändern Sie dieses Passwort überall, wo Sie es sonst noch verwenden.`,
    }),
  },
}
