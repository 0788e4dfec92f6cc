// Thumbnails of pages, of a document of any length: only those in sight exist, and a page is asked for once the list stands
// still, since each that is shown is a page read.
const height = 150
const around = 1
const still = 150 // milliseconds

export class Thumbs {
  // draw makes a picture of a page, as an element; open shows the page.
  constructor (box, opener, { pages, draw, open }) {
    Object.assign(this, { box, opener, pages, draw, open, shown: new Map(), current: 1, drawing: 0 })
    this.strip = document.createElement('div')
    this.strip.className = 'rw-strip'
    this.strip.style.height = `${pages * height}px`
    box.append(this.strip)
    let later
    box.addEventListener('scroll', () => { this.lay(); clearTimeout(later); later = setTimeout(() => this.fill(), still) })
    addEventListener('resize', () => { this.lay(); this.fill() })
    opener.addEventListener('click', () => this.toggle())
  }

  toggle () {
    this.box.hidden = !this.box.hidden
    this.opener.setAttribute('aria-expanded', String(!this.box.hidden))
    if (!this.box.hidden) this.go(this.current)
    else this.clear()
    dispatchEvent(new Event('resize'))
  }

  clear () { for (const page of [...this.shown.keys()]) this.drop(page) }

  drop (page) {
    const item = this.shown.get(page)
    for (const c of item.querySelectorAll('canvas')) c.width = c.height = 0
    item.remove()
    this.shown.delete(page)
  }

  // lay has the items in sight, and no others.
  lay () {
    if (this.box.hidden) return
    const first = Math.max(1, Math.floor(this.box.scrollTop / height) + 1 - around)
    const last = Math.min(this.pages, Math.ceil((this.box.scrollTop + this.box.clientHeight) / height) + around)
    for (const page of [...this.shown.keys()]) if (page < first || page > last) this.drop(page)
    for (let page = first; page <= last; page++) {
      if (this.shown.has(page)) continue
      const item = document.createElement('button')
      item.type = 'button'
      item.className = 'rw-thumb'
      item.style.top = `${(page - 1) * height}px`
      item.setAttribute('aria-label', `Page ${page}`)
      item.textContent = page
      item.addEventListener('click', () => this.open(page))
      this.shown.set(page, item)
      this.strip.append(item)
    }
    this.mark()
  }

  // fill draws what is in sight, one after the other.
  async fill () {
    const turn = ++this.drawing
    for (const [page, item] of [...this.shown].sort((a, b) => a[0] - b[0])) {
      if (turn !== this.drawing || this.box.hidden) return
      if (item.dataset.rwDrawn || this.shown.get(page) !== item) continue
      item.dataset.rwDrawn = '1'
      try {
        const picture = await this.draw(page)
        if (this.shown.get(page) === item) item.prepend(picture)
      } catch { delete item.dataset.rwDrawn /* the number stays */ }
    }
  }

  mark () {
    for (const [page, item] of this.shown) {
      if (page === this.current) item.setAttribute('aria-current', 'true')
      else item.removeAttribute('aria-current')
    }
  }

  // go brings a page into sight.
  go (page) {
    this.current = page
    if (this.box.hidden) return
    const top = (page - 1) * height
    if (top < this.box.scrollTop || top + height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top
    this.lay()
    this.fill()
  }
}
