// A finding leads to its place in the text.
document.addEventListener('click', (event) => {
  const link = event.target.closest('[data-rw-line]')
  const text = document.getElementById('text')
  if (!link || !text) return
  event.preventDefault()
  const lines = text.value.split('\n')
  const line = Math.min(Math.max(Number(link.dataset.rwLine), 1), lines.length) - 1
  const before = lines.slice(0, line).reduce((sum, l) => sum + l.length + 1, 0)
  const at = before + Math.min(Math.max(Number(link.dataset.rwColumn) - 1, 0), lines[line].length)
  text.setSelectionRange(at, at)
  text.blur()
  text.focus() // brings the place into sight, however the lines before it are wrapped
  text.setSelectionRange(at, before + lines[line].length)
})
