/** The API reference: Swagger UI over /openapi.json. What is tried here is sent to this very app, with this browser's cookies. */

const reference = document.querySelector('#reference')

const dark = matchMedia('(prefers-color-scheme: dark)')
const followScheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', followScheme)
followScheme()

/** What Swagger UI leaves out for those who do not see the page, or says wrongly; null takes an attribute away. */
const ATTRIBUTES = {
  '.information-container': { role: 'region', 'aria-label': 'About this API' },
  h3: { 'aria-level': '2' },
  h4: { 'aria-level': '3' },
  h5: { 'aria-level': '4' },
  '.examples-select-element': { 'aria-label': 'Example' },
  '.body-param__text': { 'aria-label': 'Request body' },
  '.content-type': { 'aria-label': 'Media type' },
  '.responses-table': { role: null },
  '.modal-ux': { role: 'dialog', 'aria-modal': 'true', 'aria-label': 'Authorization' },
  '.close-modal': { 'aria-label': 'Close' },
  '.auth-btn-wrapper button': { 'aria-label': null },
  'pre.microlight, .highlight-code pre': { tabindex: '0' },
}

function complete() {
  for (const [selector, attributes] of Object.entries(ATTRIBUTES)) {
    for (const element of reference.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes)) {
        if (value === null) element.removeAttribute(name)
        else element.setAttribute(name, value)
      }
    }
  }
}

new MutationObserver(complete).observe(reference, { childList: true, subtree: true })

globalThis.SwaggerUIBundle({
  url: '/openapi.json',
  domNode: reference,
  // Closed, so that there is an overview; the schemas are shown where they are used.
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  // There is one server, this one.
  plugins: [{ wrapComponents: { ServersContainer: () => () => null } }],
  // Nobody else is asked anything, and nothing that is entered is kept.
  validatorUrl: null,
  persistAuthorization: false,
})
