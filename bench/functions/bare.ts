/** Nothing: what any function takes. */
export default {
  fetch(): Response {
    return Response.json({ ok: true })
  },
}
