/**
 * The first element that matches. The page cannot do without it.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind
 * @param {ParentNode} [parent]
 * @returns {T}
 */
export function element(selector, kind, parent = document) {
  const found = parent.querySelector(selector)
  if (!(found instanceof kind)) throw new Error(`The page lacks ${selector}`)
  return found
}

/**
 * All elements that match.
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind
 * @param {ParentNode} [parent]
 * @returns {T[]}
 */
export function elements(selector, kind, parent = document) {
  /** @type {T[]} */
  const all = []
  for (const found of parent.querySelectorAll(selector)) {
    if (found instanceof kind) all.push(found)
  }
  return all
}

/**
 * Writes a text into every place that matches. Written again, the same text leaves a selection in it alone.
 * @param {string} selector
 * @param {string} text
 */
export function write(selector, text) {
  for (const place of document.querySelectorAll(selector)) {
    if (place.textContent !== text) place.textContent = text
  }
}
