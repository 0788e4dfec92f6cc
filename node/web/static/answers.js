// refuse throws what an answer without a page says; refused means that asking again would bring the same.
export function refuse (answer, words, more) {
  const to = answer.headers.get('HX-Redirect')
  if (answer.status === 401 && to) location.assign(to) // the session is locked or over
  const refused = [401, 403, 404, 409].includes(answer.status)
  throw Object.assign(new Error(words.trim() || 'This page could not be fetched.'), { refused, ...more })
}
