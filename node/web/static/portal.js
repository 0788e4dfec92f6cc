import { Button, ErrorSummary, SkipLink, createAll } from './nhsuk/nhsuk-frontend.min.js'

document.documentElement.classList.add('rw-js')

// nhsuk-frontend does nothing without this class. It goes again: it would also hide what only the header's menu brings back, and
// that menu is not used here.
document.body.classList.add('nhsuk-frontend-supported')
for (const component of [Button, ErrorSummary, SkipLink]) createAll(component)
document.body.classList.remove('nhsuk-frontend-supported')

// The countdown of an emergency. The node ends it whatever this clock says.
const until = document.querySelector('[data-rw-until]')
if (until) {
  const end = Date.parse(until.dataset.rwUntil)
  const left = until.querySelector('[data-rw-left]')
  const tick = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000))
    left.textContent = `(${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left)`
    if (seconds > 0) {
      setTimeout(tick, 1000)
      return
    }
    const again = document.createElement('a')
    again.href = location.pathname + location.search
    again.textContent = 'Reload the page'
    until.replaceChildren('Your emergency access has ended. ', again)
  }
  tick()
}

// What was sent when the session was over is filled in again, in the form that it was typed in: that has all of its fields, and hides the
// same. Where there is none any more, or nothing was typed, it is only said. Nothing is sent by itself.
const late = document.querySelector('[data-rw-late]')
if (late) {
  const typed = JSON.parse(late.dataset.rwLate)
  const fields = (form) => [...form.elements].filter((e) => e.name && e.name !== 'token')
  const seen = (e) => !['hidden', 'submit', 'button', 'file'].includes(e.type)
  const hidden = (form) => fields(form).filter((e) => e.type === 'hidden')
  const fits = (form) => Object.keys(typed).every((name) => fields(form).some((e) => e.name === name && (seen(e) || typed[name].includes(e.value)))) &&
    hidden(form).every((e) => typed[e.name]?.includes(e.value)) && fields(form).some((e) => seen(e) && typed[e.name])
  const form = [...document.querySelectorAll('main form')].filter(fits).sort((a, b) => hidden(b).length - hidden(a).length)[0]
  if (!form) late.querySelector('.rw-script').textContent = 'Do it once more.'
  for (const field of form ? fields(form).filter(seen) : []) {
    const values = typed[field.name]
    if (field.type === 'radio' || field.type === 'checkbox') field.checked = Boolean(values && values.includes(field.value))
    else if (values) field.value = values.shift() ?? ''
  }
}

// When the list was narrowed down, the counts beside the choices follow.
document.addEventListener('htmx:after:swap', () => {
  for (const now of document.querySelectorAll('#results [data-rw-new]')) {
    for (const shown of document.querySelectorAll('[data-rw-count]')) {
      if (shown.dataset.rwCount === now.dataset.rwNew) shown.textContent = now.value
    }
  }
})

// On a small screen the choices are folded away until they are wanted.
const small = matchMedia('(max-width: 48rem)')
const fold = () => {
  if (small.matches) for (const facet of document.querySelectorAll('.rw-facet')) facet.open = false
}
small.addEventListener('change', fold)
fold()
