// The window through which an image is seen: level and width, what the file offers, and the file's own. In the fields, Up and Down
// change it by a twentieth of its width, and with Shift by a quarter.
const wait = 300 // milliseconds without a key after which a changed value is used

export class Window {
  // change hears of another window, null for the file's own; wrong of what cannot be one.
  constructor (box, { change, wrong }) {
    Object.assign(this, { box, change, wrong })
    const [level, width] = box.querySelectorAll('input[type=text]')
    Object.assign(this, { level, width })
    this.links = [...box.querySelectorAll('[data-rw-level]')]
    this.chosen = !this.links.at(-1).hasAttribute('aria-current')
    level.form.addEventListener('submit', (e) => { e.preventDefault(); this.typed() })
    for (const field of [level, width]) field.addEventListener('keydown', (e) => this.key(e, field))
    for (const link of this.links) {
      link.addEventListener('click', (e) => {
        if (e.ctrlKey || e.metaKey || e.shiftKey) return
        e.preventDefault()
        this.set(link.dataset.rwWidth ? { level: link.dataset.rwLevel, width: link.dataset.rwWidth } : null)
      })
    }
  }

  key (e, field) {
    const up = { ArrowUp: 1, ArrowDown: -1 }[e.key]
    const width = Number(this.width.value)
    if (!up || !this.width.value || !Number.isFinite(width) || !Number.isFinite(Number(field.value))) return
    e.preventDefault()
    const step = Math.max(1, Math.round(width / (e.shiftKey ? 4 : 20)))
    const to = Number(field.value) + up * step
    field.value = String(Math.round((field === this.width ? Math.max(1, to) : to) * 100) / 100)
    clearTimeout(this.later)
    this.later = setTimeout(() => this.typed(), wait)
  }

  typed () {
    clearTimeout(this.later)
    const [level, width] = [this.level, this.width].map((field) => field.value.trim().replace(/\u2212/g, '-'))
    if (!level && !width) return this.set(null)
    if (!level || !Number.isFinite(Number(level)) || Math.abs(level) > 1e6) return this.wrong('Enter a level from -1,000,000 to 1,000,000, for example 40.')
    if (!(Number(width) >= 1 && Number(width) <= 1e6)) return this.wrong('Enter a width from 1 to 1,000,000, for example 400.')
    this.set({ level: String(Number(level)), width: String(Number(width)) })
  }

  set (to) {
    clearTimeout(this.later)
    this.chosen = Boolean(to)
    const [level, width] = to ? [to.level, to.width] : ['', '']
    this.show(level, width)
    const exact = this.links.find((link) => link.dataset.rwLevel === level && link.dataset.rwWidth === width)
    for (const link of this.links) {
      if (link === exact) link.setAttribute('aria-current', 'true')
      else link.removeAttribute('aria-current')
    }
    this.change(to)
  }

  show (level, width) { [this.level.value, this.width.value] = [level, width] }

  // through is told through which window the image that is read has come.
  through (said) {
    const [level, width] = (said || '').split(' ')
    if (!this.chosen && width) this.show(level, width)
  }
}
