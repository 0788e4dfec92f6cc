import { Sheets } from './sheets.js'
import { Store } from './store.js'
import { Stage } from './stage.js'
import { Thumbs } from './thumbs.js'

// Pages of a scan, one picture each, in one scroll. Those in sight and the next ones are fetched, far ones are let go, and what is
// flown past is not asked for: each page is a release of its own.
const ahead = 2
const still = 120 // milliseconds after which a scroll has come to rest
const thumbWidth = 96

class Viewer extends Stage {
  constructor (root) {
    super(root)
    this.pages = Number(root.dataset.rwPages)
    this.page = Number(root.dataset.rwPage)
    this.part = root.dataset.rwPart
    this.title = root.dataset.rwTitle
    this.failed = new Map() // page to what is to be said of it
    this.picture = this.el('picture')
    this.given = { page: this.page, picture: this.picture } // what the server has put into the page
    this.store = new Store(`${root.dataset.rwPageUrl}?part=${this.part}`, (page) => Math.abs(page - this.page), (page) => this.sheets.shown.has(page))
    const size = { width: Number(this.picture.getAttribute('width')) || 1, height: Number(this.picture.getAttribute('height')) || 1 }
    this.sheets = new Sheets(this.stage, this.pages, size, { scale: (size) => this.factor(size), enter: (page, box) => this.enter(page, box), leave: (page, box) => this.leave(page, box) })
    this.thumbs = new Thumbs(this.el('thumbs'), this.el('thumbs-open'), { pages: this.pages, draw: (page) => this.small(page), open: (page) => this.show(page) })
    this.thumbs.current = this.page
    this.controls()
    this.aimed = 0
    this.layout()
  }

  controls () {
    this.on('previous', () => this.show(this.page - 1))
    this.on('next', () => this.show(this.page + 1))
    this.el('jump').addEventListener('submit', (e) => {
      e.preventDefault()
      this.show(Number(this.el('page').value))
    })
    this.keys((by) => this.show(this.page + by))
    this.stage.addEventListener('keydown', (e) => {
      if (e.ctrlKey || e.altKey || e.metaKey || (e.key !== 'Home' && e.key !== 'End')) return
      e.preventDefault()
      this.show(e.key === 'Home' ? 1 : this.pages)
    })
    this.swipe((by) => { if (this.page + by >= 1 && this.page + by <= this.pages) this.show(this.page + by) })
    this.stage.addEventListener('scroll', () => this.scrolled(), { passive: true })
    addEventListener('popstate', () => this.show(Number(new URLSearchParams(location.search).get(`page${this.pane}`)) || 1, true))
  }

  size () { return this.sheets.size(this.page) }

  layout () {
    this.sheets.turned = this.turn % 180 !== 0
    this.sheets.measure(0.4)
    this.aim()
    for (const [page, box] of this.sheets.shown) this.fitIn(page, box)
    this.sheets.lay()
    this.settle(true)
  }

  // aim keeps the page that was asked for at the top, as long as nobody scrolls.
  aim () {
    if (this.aimed === null) return
    this.sheets.go(this.page)
    this.aimed = this.stage.scrollTop
  }

  enter (page, box) {
    const note = document.createElement('span')
    note.textContent = `Page ${page}`
    const given = this.given?.page === page ? this.given.picture : null
    const picture = given || new Image()
    picture.hidden = !given
    box.append(note, picture)
    if (page === this.page) this.mark(page)
    if (given) {
      const drawn = () => this.drawn(page, box)
      if (picture.complete && picture.naturalWidth) drawn()
      else picture.addEventListener('load', drawn, { once: true })
      picture.addEventListener('error', () => { this.given = null; this.fail(page, new Error('This page could not be shown.')) }, { once: true })
    }
    this.fitIn(page, box)
  }

  leave (page, box) {
    const picture = box.querySelector('img')
    if (this.given?.page === page) this.given = null
    picture.removeAttribute('src')
  }

  // fitIn gives the picture the size of its element, turned as it is.
  fitIn (page, box) {
    const picture = box.querySelector('img')
    const { width, height } = this.sheets.room(this.sheets.size(page))
    const aside = this.sheets.turned
    picture.width = aside ? height : width
    picture.height = aside ? width : height
    picture.className = `rw-picture rw-turn-${this.turn}`
    // A turned picture keeps the room that it had, so its frame is given the room that it needs.
    picture.style.margin = aside ? `${(picture.width - picture.height) / 2}px ${(picture.height - picture.width) / 2}px` : ''
  }

  // want has a page drawn, if it is in sight once it has come.
  async want (page) {
    if (page < 1 || page > this.pages || this.failed.has(page) || this.given?.page === page) return
    try {
      const { url } = await this.store.get(page)
      const box = this.sheets.shown.get(page)
      const picture = box?.querySelector('img')
      if (!box || picture.getAttribute('src') === url) return
      picture.src = url
      await picture.decode()
      if (this.sheets.shown.get(page) === box) this.drawn(page, box)
    } catch (e) {
      if (e.name !== 'AbortError' && (e.name !== 'EncodingError' || this.sheets.shown.get(page)?.querySelector('img').src)) this.fail(page, e)
    }
  }

  drawn (page, box) {
    const picture = box.querySelector('img')
    picture.alt = `Page ${page} of ${this.pages} of ${this.title}`
    picture.hidden = false
    box.classList.add('rw-drawn')
    if (this.sheets.learn(page, { width: picture.naturalWidth, height: picture.naturalHeight })) this.layout()
    if (page === this.page) this.tell()
  }

  // fail says what has become of a page. Once the document is refused, no picture of it stays.
  fail (page, error) {
    this.failed.set(page, error.message)
    this.store.forget(page)
    const gone = error.refused ? [...this.sheets.shown] : [[page, this.sheets.shown.get(page)]]
    if (error.refused) this.store.clear()
    for (const [p, box] of gone) {
      if (!box) continue
      const picture = box.querySelector('img')
      picture.hidden = true
      picture.removeAttribute('src')
      box.classList.remove('rw-drawn')
      box.querySelector('span').textContent = p === page ? `Page ${p} is not shown: ${error.message}` : `Page ${p}`
      if (error.refused) this.failed.set(p, error.message)
    }
    this.tell()
  }

  // tell says what there is to say of the page that is read.
  tell () {
    clearTimeout(this.slow)
    const page = this.page
    const drawn = this.sheets.shown.get(page)?.classList.contains('rw-drawn')
    if (this.failed.has(page)) this.say(this.failed.get(page), 'explain')
    else if (this.store.again.has(page)) this.say(`The first copy of page ${page} failed its check and was thrown away. This one was fetched again, and is right.`)
    else this.say('')
    if (!drawn && !this.failed.has(page)) this.slow = setTimeout(() => this.say(`Fetching page ${page}`), 200)
  }

  scrolled () {
    const now = performance.now()
    const top = this.stage.scrollTop
    const slow = Math.abs(top - (this.top ?? top)) / Math.max(now - (this.when ?? 0), 8) * 100 < this.stage.clientHeight
    this.top = top
    this.when = now
    if (this.aimed !== null && Math.abs(top - this.aimed) > 2) this.aimed = null
    this.sheets.lay()
    if (this.aimed === null) this.turnTo(this.sheets.at(top + this.stage.clientHeight * 0.4))
    if (slow) this.fill()
    clearTimeout(this.settling)
    this.settling = setTimeout(() => this.settle(), still)
  }

  // fill has the pages in sight drawn, the one that is read first, and the next ones fetched.
  fill () {
    const [first, last] = this.sheets.sight()
    this.want(this.page)
    for (let page = first; page <= last; page++) if (page !== this.page) this.want(page)
    for (let page = this.page + 1; page <= this.page + ahead; page++) if (page > last) this.want(page)
    this.store.trim()
  }

  settle (quiet) {
    this.fill()
    this.thumbs.go(this.page)
    if (!quiet && this.at(this.page) !== location.pathname + location.search) history.replaceState(null, '', this.at(this.page))
  }

  show (page, back) {
    if (!Number.isInteger(page) || page < 1 || page > this.pages) {
      this.say(`Enter a page from 1 to ${this.pages}`, true)
      return
    }
    this.failed.delete(page)
    this.turnTo(page)
    this.aimed = 0
    this.aim()
    this.tell()
    this.settle(back)
  }

  turnTo (page) {
    if (page === this.page) return
    this.page = page
    this.mark(page)
    this.frame()
    this.thumbs.current = page
    this.thumbs.mark()
    this.tell()
  }

  // mark gives the picture of the page that is read the name that the server gives it.
  mark (page) {
    for (const [p, box] of this.sheets?.shown || []) {
      box.classList.toggle('rw-current', p === page)
      const picture = box.querySelector('img')
      if (!picture) continue
      if (p === page) picture.id = `picture${this.pane}`
      else picture.removeAttribute('id')
    }
  }

  at (page) {
    const q = new URLSearchParams(location.search)
    q.set(`part${this.pane}`, this.part)
    q.set(`page${this.pane}`, page)
    return `${location.pathname}?${q}`
  }

  frame () {
    this.el('page').value = this.page
    for (const [id, to] of [['previous', this.page - 1], ['next', this.page + 1]]) {
      const link = this.el(id)
      const off = to < 1 || to > this.pages
      link.classList.toggle('rw-off', off)
      link.href = off ? `#viewer${this.pane}` : this.at(to)
      if (off) link.setAttribute('aria-disabled', 'true')
      else link.removeAttribute('aria-disabled')
    }
  }

  // small draws a thumbnail: of the page as it is kept, or of one that is fetched for it and let go.
  async small (page) {
    const whole = await createImageBitmap(await this.store.peek(page), { resizeWidth: thumbWidth, resizeQuality: 'medium' })
    const canvas = document.createElement('canvas')
    canvas.width = whole.width
    canvas.height = Math.min(whole.height, 130)
    canvas.getContext('2d').drawImage(whole, 0, 0)
    whole.close()
    return canvas
  }
}

for (const root of document.querySelectorAll('[data-rw-pages]')) new Viewer(root)
