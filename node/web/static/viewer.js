import { Stage } from './stage.js'
import { Thumbs } from './thumbs.js'

// Pages of a scan, one picture each. The pages around the one that is read are fetched ahead and kept, up to a few, so that
// turning a page does not wait, and a document of any length needs little memory.
const kept = 8
const ahead = 2
const thumbWidth = 96

class Viewer extends Stage {
  constructor (root) {
    super(root)
    this.url = root.dataset.rwPageUrl
    this.part = root.dataset.rwPart
    this.pages = Number(root.dataset.rwPages)
    this.page = Number(root.dataset.rwPage)
    this.picture = this.el('picture')
    this.title = root.dataset.rwTitle
    this.cache = new Map()
    this.again = new Set() // pages of which the first copy failed its check
    this.on('previous', () => this.show(this.page - 1))
    this.on('next', () => this.show(this.page + 1))
    this.el('jump').addEventListener('submit', (e) => {
      e.preventDefault()
      this.show(Number(this.el('page').value))
    })
    this.keys((by) => this.show(this.page + by))
    this.roll((by, end) => { if (this.page + by >= 1 && this.page + by <= this.pages) this.show(this.page + by, false, end) })
    this.thumbs = new Thumbs(this.el('thumbs'), this.el('thumbs-open'), { pages: this.pages, draw: (page) => this.small(page), open: (page) => this.show(page) })
    this.thumbs.current = this.page
    addEventListener('popstate', () => this.show(Number(new URLSearchParams(location.search).get(`page${this.pane}`)) || 1, true))
    const first = () => { this.layout(); this.prefetch() }
    if (this.picture.complete && this.picture.naturalWidth) first()
    else this.picture.addEventListener('load', first, { once: true })
    this.picture.addEventListener('error', () => { this.picture.hidden = true; this.say('This page could not be shown.', 'explain') }, { once: true })
  }

  size () { return { width: this.picture.naturalWidth || this.picture.width, height: this.picture.naturalHeight || this.picture.height } }

  layout () {
    const f = this.factor()
    const { width, height } = this.size()
    this.picture.width = Math.round(width * f)
    this.picture.height = Math.round(height * f)
    this.picture.className = `rw-picture rw-turn-${this.turn}`
    const aside = this.turn % 180 !== 0
    // A turned picture keeps the room that it had, so its frame is given the room that it needs.
    this.picture.style.margin = aside ? `${(this.picture.width - this.picture.height) / 2}px ${(this.picture.height - this.picture.width) / 2}px` : ''
  }

  fetch (page) {
    if (page < 1 || page > this.pages) return null
    if (!this.cache.has(page)) {
      this.cache.set(page, this.load(page))
      for (const old of [...this.cache.keys()]) {
        if (this.cache.size > kept && Math.abs(old - this.page) > ahead) this.forget(old)
      }
    }
    return this.cache.get(page)
  }

  async load (page) {
    const blob = await this.bytes(page)
    return { blob, url: URL.createObjectURL(blob) }
  }

  async bytes (page) {
    const answer = await fetch(`${this.url}?part=${this.part}&page=${page}`, { cache: 'no-store' })
    const to = answer.headers.get('HX-Redirect')
    if (answer.status === 401 && to) location.assign(to) // the session is locked or over
    if (!answer.ok) throw new Error((await answer.text()).trim() || 'This page could not be fetched.')
    if (answer.headers.get('Ridgeway-Check') === 'retried') this.again.add(page)
    return answer.blob()
  }

  // small draws a thumbnail: of the page as it is kept, or of one that is fetched for it and let go.
  async small (page) {
    const blob = this.cache.has(page) ? (await this.cache.get(page)).blob : await this.bytes(page)
    const whole = await createImageBitmap(blob, { resizeWidth: thumbWidth, resizeQuality: 'medium' })
    const canvas = document.createElement('canvas')
    canvas.width = whole.width
    canvas.height = Math.min(whole.height, 130)
    canvas.getContext('2d').drawImage(whole, 0, 0)
    whole.close()
    return canvas
  }

  forget (page) {
    const entry = this.cache.get(page)
    this.cache.delete(page)
    if (entry) entry.then(({ url }) => URL.revokeObjectURL(url), () => {})
  }

  prefetch () {
    for (let i = 1; i <= ahead; i++) this.fetch(this.page + i)?.catch(() => {})
  }

  async show (page, back, end) {
    if (!Number.isInteger(page) || page < 1 || page > this.pages) {
      this.say(`Enter a page from 1 to ${this.pages}`, true)
      return
    }
    this.page = page
    const slow = setTimeout(() => this.say(`Fetching page ${page}`), 200)
    try {
      const { url } = await this.fetch(page)
      if (this.page !== page) return
      this.picture.src = url
      await this.picture.decode()
      if (this.page !== page) return
      this.picture.hidden = false
      this.say(this.again.has(page) ? `The first copy of page ${page} failed its check and was thrown away. This one was fetched again, and is right.` : '')
      this.layout()
      this.stage.scrollTop = end ? this.stage.scrollHeight : 0
    } catch (e) {
      this.forget(page)
      if (this.page !== page) return
      this.picture.hidden = true
      this.picture.removeAttribute('src')
      this.frame(back)
      this.say(e.message, 'explain')
      return
    } finally {
      clearTimeout(slow)
    }
    this.frame(back)
    this.prefetch()
  }

  frame (back) {
    const at = (page) => {
      const q = new URLSearchParams(location.search)
      q.set(`part${this.pane}`, this.part)
      q.set(`page${this.pane}`, page)
      return `${location.pathname}?${q}`
    }
    this.picture.alt = `Page ${this.page} of ${this.pages} of ${this.title}`
    this.el('page').value = this.page
    for (const [id, to] of [['previous', this.page - 1], ['next', this.page + 1]]) {
      const link = this.el(id)
      const off = to < 1 || to > this.pages
      link.classList.toggle('rw-off', off)
      link.href = off ? `#viewer${this.pane}` : at(to)
      if (off) link.setAttribute('aria-disabled', 'true')
      else link.removeAttribute('aria-disabled')
    }
    this.thumbs.go(this.page)
    if (!back) history.replaceState(null, '', at(this.page))
  }
}

for (const root of document.querySelectorAll('[data-rw-pages]')) new Viewer(root)
