// Takes files in one by one, with progress and outcome for each. Without this script the form sends all of them at once.
const form = document.getElementById('intake')
const input = document.getElementById('files')
const drop = document.getElementById('drop')
const outcome = document.getElementById('outcome')
const list = document.getElementById('outcome-list')
const sum = document.getElementById('outcome-sum')
const ready = document.getElementById('ready')
const counts = { good: 0, bad: 0, waiting: 0 }
const queue = []
let busy = false

const summary = () => {
  sum.textContent = `${counts.good} taken in, ${counts.bad} refused${counts.waiting ? `, ${counts.waiting} to come` : ''}.`
}

function row (name) {
  const item = document.createElement('li')
  item.className = 'rw-filerow'
  const title = document.createElement('strong')
  title.className = 'rw-anywhere'
  title.textContent = name
  const bar = document.createElement('progress')
  bar.max = 1
  bar.value = 0
  bar.setAttribute('aria-label', `Sending ${name}`)
  const says = document.createElement('span')
  says.textContent = 'Waits'
  item.append(title, bar, says)
  list.append(item)
  return { item, bar, says }
}

function settle (at, good, text, file) {
  counts.waiting--
  counts[good ? 'good' : 'bad']++
  at.bar.remove()
  at.says.textContent = text
  if (!good) at.item.classList.add('rw-bad')
  if (file?.link) {
    const link = document.createElement('a')
    link.href = file.link
    link.textContent = 'See it'
    at.says.append(' ', link)
  }
  for (const warning of file?.warnings ?? []) {
    const note = document.createElement('span')
    note.className = 'rw-muted'
    note.textContent = `Note: ${warning}`
    at.item.append(note)
  }
  summary()
}

// The token goes first and the file last: the portal looks at who sends before it reads what is sent.
function bodyOf (file) {
  const body = new FormData()
  for (const [name, value] of new FormData(form)) if (name !== 'files') body.append(name, value)
  body.append('files', file, file.name)
  return body
}

function send ({ file, at, body }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    request.open('POST', form.getAttribute('action'))
    request.setRequestHeader('Accept', 'application/json')
    request.upload.addEventListener('progress', (e) => {
      at.bar.value = e.lengthComputable ? e.loaded / e.total : 0
      at.says.textContent = at.bar.value < 1 ? `${Math.floor(at.bar.value * 100)} %` : 'Being checked'
    })
    request.addEventListener('loadend', () => {
      const away = request.getResponseHeader('HX-Redirect')
      let answer = {}
      try { answer = JSON.parse(request.responseText) } catch { /* no answer that can be read */ }
      const done = answer.files?.[0]
      const why = answer.faults?.join('. ') || (request.status === 0 ? 'The connection broke off' : 'It could not be taken in')
      if (away) settle(at, false, 'Your session has ended')
      else if (done) settle(at, done.outcome !== 'refused', done.outcome === 'refused' ? `Refused: ${done.text}` : done.text, done)
      else settle(at, false, why)
      resolve(away)
    })
    request.send(body)
  })
}

async function work () {
  if (busy) return
  busy = true
  while (queue.length) {
    const away = await send(queue.shift())
    if (away) { location.assign(away); return }
  }
  busy = false
}

function take (files) {
  outcome.hidden = false
  ready.hidden = true
  // What was wrong with the form before is not wrong any more.
  for (const old of document.querySelectorAll('.nhsuk-error-summary, .nhsuk-error-message')) old.remove()
  for (const old of document.querySelectorAll('[class*="--error"]')) {
    old.classList.remove('nhsuk-form-group--error', 'nhsuk-select--error', 'nhsuk-input--error')
  }
  for (const file of files) {
    counts.waiting++
    queue.push({ file, at: row(file.name), body: bodyOf(file) })
  }
  summary()
  work()
}

if (form && input) {
  form.addEventListener('submit', (e) => {
    if (!input.files.length) return // the portal says what is missing
    if (!form.elements.date.value || !form.elements.type.value) return
    e.preventDefault()
    take([...input.files])
    input.value = ''
    outcome.scrollIntoView({ block: 'nearest' })
  })
  for (const kind of ['dragenter', 'dragover']) {
    drop.addEventListener(kind, (e) => { e.preventDefault(); drop.classList.add('rw-over') })
  }
  for (const kind of ['dragleave', 'drop']) drop.addEventListener(kind, () => drop.classList.remove('rw-over'))
  drop.addEventListener('drop', (e) => {
    e.preventDefault()
    const files = [...e.dataTransfer.files]
    if (!files.length) return
    if (!form.elements.date.value || !form.elements.type.value) {
      input.files = e.dataTransfer.files
      ready.hidden = false
      ready.textContent = `${files.length === 1 ? 'The file is ready. Say what type and date it has' : `The ${files.length} files are ready. Say what type and date they have`}, then press “Take them in”.`
      form.elements[form.elements.type.value ? 'date' : 'type'].focus()
      ready.scrollIntoView({ block: 'center' })
      return
    }
    take(files)
  })
  // What is dropped beside the box must not replace the page.
  for (const kind of ['dragover', 'drop']) addEventListener(kind, (e) => e.preventDefault())
}
