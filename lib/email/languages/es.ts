import type { Language } from '../messages.ts'

export const spanish: Language = {
  tag: 'es',
  direction: 'ltr',
  withoutButton: 'Si el botón no funciona, abra esta dirección en su navegador:',
  codeInstead:
    '¿Está leyendo este mensaje en otro dispositivo? Escriba este código en la página donde lo solicitó:',
  codeIsSecret: 'No comparta este código con nadie.',
  neverAsked: (product) => `${product} nunca le pedirá que envíe su contraseña ni un código a nadie.`,
  help: (address) => `¿Tiene alguna pregunta? Escriba a ${address}.`,
  emails: {
    'confirm-registration': ({ product, registrationLinkHours: hours }) => ({
      subject: `Confirme su dirección para ${product}`,
      preview: `Solo falta un paso para tener su cuenta. El enlace es válido durante ${hours} horas.`,
      paragraphs: [
        `Confirme que esta dirección es suya y su cuenta de ${product} estará lista.`,
        `El enlace sirve una sola vez y es válido durante ${hours} horas. Si lo abre en un navegador distinto del que usó para registrarse, la página le pedirá la contraseña que eligió.`,
      ],
      button: 'Confirmar mi dirección',
      ifNotYou: 'Si no ha sido usted, no tiene que hacer nada. Sin confirmación no se creará ninguna cuenta.',
    }),
    'already-registered': ({ product }) => ({
      subject: `Ya tiene una cuenta de ${product}`,
      preview: 'No ha cambiado nada. Puede iniciar sesión como siempre.',
      paragraphs: [
        `Alguien, probablemente usted, ha querido usar esta dirección para una nueva cuenta de ${product}. Como ya pertenece a una cuenta, no ha cambiado nada.`,
        'Inicie sesión como siempre. Si ha olvidado su contraseña, solicite una nueva en la página de inicio de sesión.',
      ],
      button: 'Ir al inicio de sesión',
      ifNotYou:
        'Si no ha sido usted, no tiene que hacer nada. Su cuenta y su contraseña siguen como estaban, y nadie ha podido saber así que usted tiene una cuenta.',
    }),
    'reset-password': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Elija una nueva contraseña para ${product}`,
      preview: `El enlace sirve una sola vez y es válido durante ${minutes} minutos.`,
      paragraphs: [
        `Alguien, probablemente usted, ha solicitado una nueva contraseña para su cuenta de ${product}.`,
        `El enlace sirve una sola vez y es válido durante ${minutes} minutos. En cuanto se establezca la nueva contraseña, se cerrará la sesión en todos los dispositivos.`,
      ],
      button: 'Elegir una nueva contraseña',
      ifNotYou: 'Si no ha sido usted, no tiene que hacer nada. Su contraseña seguirá siendo la misma.',
    }),
    'reset-required': ({ product, resetLinkMinutes: minutes }) => ({
      subject: `Su cuenta de ${product} necesita una nueva contraseña`,
      preview: `La anterior ya no sirve. El enlace sirve una sola vez y es válido durante ${minutes} minutos.`,
      paragraphs: [
        `La contraseña de su cuenta de ${product} ya no sirve y se ha cerrado la sesión en todos los dispositivos. Lo han hecho los responsables de ${product} para que la cuenta siga siendo suya.`,
        `Elija una nueva. El enlace sirve una sola vez y es válido durante ${minutes} minutos; después, solicite otro en la página de inicio de sesión.`,
      ],
      button: 'Elegir una nueva contraseña',
      ifNotYou:
        'Si no ha sido usted, todo está en orden: se ha hecho para protegerle. Si usa la contraseña anterior en otros sitios, cámbiela también allí.',
    }),
    'password-reset': ({ product }) => ({
      subject: `Se ha cambiado su contraseña de ${product}`,
      preview:
        'Se ha cambiado mediante un correo enviado a esta dirección. Se ha cerrado la sesión en todos los dispositivos.',
      paragraphs: [
        `La contraseña de su cuenta de ${product} se ha cambiado mediante un correo enviado a esta dirección, y se ha cerrado la sesión en todos los dispositivos.`,
        'A partir de ahora, inicie sesión con la nueva contraseña.',
      ],
      button: 'Ir al inicio de sesión',
      ifNotYou:
        'Si no ha sido usted, alguien puede leer su correo. Primero proteja su buzón cambiando la contraseña del correo. Después solicite una nueva contraseña en la página de inicio de sesión.',
    }),
    'password-locked': ({ product }) => ({
      subject: `Su contraseña de ${product} está bloqueada`,
      preview: 'Se han introducido demasiadas contraseñas incorrectas seguidas.',
      paragraphs: [
        `Se han introducido demasiadas contraseñas incorrectas seguidas para su cuenta de ${product}, por lo que la contraseña está bloqueada. Los dispositivos con la sesión iniciada la conservan.`,
        'Para volver a iniciar sesión, elija una nueva contraseña: solicítela en la página de inicio de sesión.',
      ],
      button: 'Ir al inicio de sesión',
      ifNotYou:
        'Si no ha sido usted, alguien ha intentado adivinar su contraseña y no lo ha conseguido. Elija una nueva que no use en ningún otro sitio.',
    }),
    'login-after-failures': ({ product }) => ({
      subject: `Inicio de sesión en ${product} tras varias contraseñas incorrectas`,
      preview: 'Ese navegador no había iniciado sesión antes en su cuenta.',
      paragraphs: [
        `Alguien, probablemente usted, ha iniciado sesión en su cuenta de ${product} tras varias contraseñas incorrectas, desde un navegador que no lo había hecho antes.`,
        'Si ha sido usted, no tiene que hacer nada.',
      ],
      button: 'Ver mis dispositivos',
      ifNotYou:
        'Si no ha sido usted, alguien conoce su contraseña. Solicite cuanto antes una nueva en la página de inicio de sesión: así se cerrará la sesión en todos los dispositivos. Elija una que no use en ningún otro sitio.',
    }),
    'refresh-token-reused': ({ product }) => ({
      subject: `Se ha cerrado una sesión suya en ${product}`,
      preview: 'La sesión se estaba usando en dos lugares y se ha cerrado.',
      paragraphs: [
        `Una de sus sesiones de ${product} se estaba usando en dos lugares, lo que ocurre cuando alguien la ha copiado. Se ha cerrado: ya no es válida ni en su dispositivo ni en la copia.`,
        'Puede volver a iniciar sesión en su dispositivo.',
      ],
      button: 'Ir al inicio de sesión',
      ifNotYou:
        'Si no ha sido usted en ambos lugares, es posible que alguien haya accedido a su cuenta. Solicite de inmediato una nueva contraseña en la página de inicio de sesión: así se cerrará la sesión en todos los dispositivos.',
    }),
    'password-changed': ({ product }) => ({
      subject: `Se ha cambiado su contraseña de ${product}`,
      preview: 'Se ha cerrado la sesión en todos los demás dispositivos.',
      paragraphs: [
        `La contraseña de su cuenta de ${product} se ha cambiado en un dispositivo con la sesión iniciada, usando la contraseña anterior. Se ha cerrado la sesión en todos los demás dispositivos.`,
        'Si ha sido usted, no tiene que hacer nada más.',
      ],
      button: 'Ir al inicio de sesión',
      ifNotYou:
        'Si no ha sido usted, solicite de inmediato una nueva contraseña en la página de inicio de sesión: así se cerrará la sesión en todos los dispositivos, también en el ajeno.',
    }),
    'confirm-email-change': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Confirme su nueva dirección para ${product}`,
      preview: `Nada cambia hasta que la confirme. El enlace es válido durante ${hours} horas.`,
      paragraphs: [
        `Confirme que esta dirección es suya y su cuenta de ${product} la usará a partir de ese momento. Hasta entonces no cambia nada.`,
        `El enlace sirve una sola vez y es válido durante ${hours} horas. En un navegador sin la sesión iniciada, la página le pedirá su contraseña.`,
      ],
      button: 'Usar esta dirección',
      ifNotYou:
        'Si no ha sido usted, no tiene que hacer nada. Puede que alguien haya escrito mal su propia dirección; sin confirmación no cambia nada.',
    }),
    'email-change-requested': ({ product, emailChangeLinkHours: hours }) => ({
      subject: `Solicitud para cambiar su dirección de ${product}`,
      preview: 'Si ha sido usted, no tiene que hacer nada. Si no, puede cancelar el cambio.',
      paragraphs: [
        `Se ha solicitado otra dirección para su cuenta de ${product}, en un dispositivo con la sesión iniciada y usando su contraseña. No cambia nada hasta que se confirme esa otra dirección.`,
        'Si ha sido usted, aquí no tiene que hacer nada.',
      ],
      button: 'Cancelar el cambio',
      ifNotYou: `Si no ha sido usted, cancele el cambio; el enlace es válido durante ${hours} horas. Después solicite una nueva contraseña en la página de inicio de sesión: así se cerrará la sesión en todos los dispositivos.`,
    }),
    'email-changed': ({ product, support }) => ({
      subject: `Se ha cambiado su dirección de ${product}`,
      preview: 'Los correos sobre su cuenta llegarán a partir de ahora a otra dirección.',
      paragraphs: [
        `Su cuenta de ${product} usa a partir de ahora otra dirección. Los correos sobre ella ya no llegarán a esta.`,
        'Si ha sido usted, no tiene que hacer nada más.',
      ],
      ifNotYou:
        support === undefined
          ? `Si no ha sido usted, avise de inmediato al equipo de ${product}.`
          : `Si no ha sido usted, escriba de inmediato a ${support} desde esta dirección.`,
    }),
    'account-deleted': ({ product, support }) => ({
      subject: `Se ha eliminado su cuenta de ${product}`,
      preview: 'La cuenta ya no existe y se ha cerrado la sesión en todos los dispositivos.',
      paragraphs: [
        `Su cuenta de ${product} se ha eliminado en un dispositivo con la sesión iniciada, usando su contraseña. La eliminación es definitiva y se ha cerrado la sesión en todos los dispositivos.`,
        'Si ha sido usted, no tiene que hacer nada más.',
      ],
      ifNotYou:
        support === undefined
          ? `Si no ha sido usted, avise de inmediato al equipo de ${product}. Cambie también esa contraseña en todos los sitios donde la use.`
          : `Si no ha sido usted, escriba de inmediato a ${support}. Cambie también esa contraseña en todos los sitios donde la use.`,
    }),
  },
}
