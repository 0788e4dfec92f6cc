// The keys of the timeline: j and k, or the arrows, go from document to document, Enter opens (it is a link), / goes to the
// search, ? says all this. Those who do not want keys of one letter switch them off in the dialog.
const dialog = document.getElementById('keys-help')
const field = document.getElementById('words')
const opener = document.getElementById('keys-open')
const on = document.getElementById('keys-on')

// Without storage (it is switched off, or was cleared at log-out) the keys work.
const remembered = () => { try { return localStorage.getItem('rw-keys') !== 'off' } catch { return true } }
const remember = (yes) => { try { localStorage.setItem('rw-keys', yes ? 'on' : 'off') } catch { /* it holds for this page */ } }
let letters = remembered()

const links = () => [...document.querySelectorAll('#results .rw-doc > a:first-child')]

function step (by) {
  const all = links()
  if (!all.length) return
  const row = document.activeElement?.closest?.('#results tbody tr')
  const at = row ? all.findIndex((a) => row.contains(a)) : -1
  const to = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))]
  to.focus()
  to.closest('tr').scrollIntoView({ block: 'nearest' })
}

addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || dialog?.open) return
  const inField = e.target.closest?.('input:not([type=checkbox]), textarea, select')
  if (inField) {
    if (e.key === 'Escape') { inField.blur(); step(0) }
    return
  }
  const inList = e.target.closest?.('#results tbody')
  const act = { ArrowDown: inList && (() => step(1)), ArrowUp: inList && (() => step(-1)), Home: inList && (() => step(-1e6)), End: inList && (() => step(1e6)) }[e.key] ||
    (letters && { j: () => step(1), k: () => step(-1), '/': () => field?.focus(), '?': () => dialog?.showModal() }[e.key])
  if (!act) return
  e.preventDefault()
  act()
})

if (dialog && opener) {
  opener.hidden = false
  opener.addEventListener('click', () => dialog.showModal())
  on.checked = letters
  on.addEventListener('change', () => { letters = on.checked; remember(letters) })
}

// A view is saved as the list is now.
document.addEventListener('htmx:after:swap', () => {
  const now = document.querySelector('#results [data-rw-view]')
  const kept = document.getElementById('view-query')
  if (now && kept) {
    kept.value = now.value
    document.getElementById('save-view').hidden = now.value === ''
  }
})
