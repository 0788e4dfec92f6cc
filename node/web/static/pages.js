import { Sheets } from './sheets.js'
import { Stage } from './stage.js'
import { Thumbs } from './thumbs.js'
import { touch } from './touch.js'

// Pages of a document in one scroll, whatever they are drawn from. Those in sight and the next ones are drawn, far ones are let go,
// and what is flown past is not asked for. A kind of document says how the element of a page is filled (put), emptied (clear) and
// sized (fitIn), how a page comes (want), what is small of it (small), what there is to say of one that was fetched twice (again), and
// how much has come of one that is waited for (waiting).
const ahead = 2
const still = 120 // milliseconds after which a scroll has come to rest

const forPaper = 'The page is printed once it is shown'
const viewers = []
let printing = false

// print waits until the page of each viewer is to be seen, or never will be: what is on paper must not be empty for being early.
async function print () {
  if (printing) return
  printing = true
  for (const viewer of viewers) await viewer.toBePrinted()
  printing = false
  window.print()
}

addEventListener('keydown', (e) => {
  if (!(e.ctrlKey || e.metaKey) || e.altKey || e.shiftKey || e.key.toLowerCase() !== 'p' || viewers.every((viewer) => viewer.settled())) return
  e.preventDefault()
  print()
})

export class Pages extends Stage {
  constructor (root) {
    super(root)
    viewers.push(this)
    this.waiters = []
    this.on('print', print)
    this.page = Number(root.dataset.rwPage)
    this.part = root.dataset.rwPart
    this.title = root.dataset.rwTitle
    this.failed = new Map() // page to what is to be said of it
    this.wrong = this.status.textContent // what was wrong with what the reader asked for, until the page is turned
  }

  // begin has the pages laid, once it is known how many there are and what size one of them has.
  begin (pages, size) {
    this.pages = pages
    this.page = Math.min(this.page, pages)
    this.sheets = new Sheets(this.stage, pages, size, { scale: (size) => this.factor(size), enter: (page, box) => this.enter(page, box), leave: (page, box) => this.clear(page, box) })
    this.thumbs = new Thumbs(this.el('thumbs'), this.el('thumbs-open'), { pages, draw: (page) => this.small(page), open: (page) => this.show(page) })
    this.thumbs.current = this.page
    this.controls()
    this.frame()
    this.aimed = 0
    this.layout()
  }

  controls () {
    this.on('previous', () => this.show(this.page - 1))
    this.on('next', () => this.show(this.page + 1))
    this.el('jump').addEventListener('submit', (e) => {
      e.preventDefault()
      this.jump(this.el('page'))
    })
    this.keys((by) => this.show(this.page + by))
    this.stage.addEventListener('keydown', (e) => {
      if (e.ctrlKey || e.altKey || e.metaKey || (e.key !== 'Home' && e.key !== 'End')) return
      e.preventDefault()
      this.show(e.key === 'Home' ? 1 : this.pages)
    })
    touch(this.stage, {
      zoom: (by, x, y) => { this.aimed = null; this.pinch(by, x, y) },
      turn: (by) => { if (this.page + by >= 1 && this.page + by <= this.pages) this.show(this.page + by) }
    })
    this.stage.addEventListener('scroll', () => this.scrolled(), { passive: true })
    addEventListener('popstate', () => this.show(Number(new URLSearchParams(location.search).get(`page${this.pane}`)) || 1, true))
  }

  // jump goes to the page that was typed. What is no page of the document leaves the one that is open, and its number in the field.
  jump (field) {
    const typed = field.value.trim()
    const page = /^\d+$/.test(typed) ? Number(typed) : 0
    if (page >= 1 && page <= this.pages) return this.show(page)
    field.value = this.page
    field.select()
    const last = this.pages.toLocaleString('en-GB')
    this.complain(`${typed ? `There is no page ${typed.slice(0, 20)}. ` : ''}Enter a page from 1 to ${last}.`)
  }

  complain (text) {
    this.wrong = text
    this.say(text, true)
  }

  size () { return this.sheets.size(this.page) }

  layout () {
    if (!this.sheets) return
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
    box.append(note)
    this.put(page, box)
    if (page === this.page) this.mark(page)
    this.fitIn(page, box)
  }

  // drawn takes in that a page is to be seen, and what size it has.
  drawn (page, box, size) {
    box.classList.add('rw-drawn')
    if (this.sheets.learn(page, size)) this.layout()
    if (page === this.page) this.tell()
  }

  // fail says what has become of a page. Once the document is refused, no picture of it stays.
  fail (page, error) {
    this.failed.set(page, error.message)
    const gone = error.refused ? [...this.sheets.shown] : [[page, this.sheets.shown.get(page)]]
    for (const [p, box] of gone) {
      if (!box) continue
      this.clear(p, box)
      box.classList.remove('rw-drawn')
      box.querySelector('span').textContent = p === page ? `Page ${p} is not shown: ${error.message}` : `Page ${p}`
      if (error.refused) this.failed.set(p, error.message)
    }
    this.tell()
  }

  // settled reports whether the page that is read is to be seen, or it is known that it will not be.
  settled () { return Boolean(this.ended || this.failed.has(this.page) || this.sheets?.shown.get(this.page)?.classList.contains('rw-drawn')) }

  pass () { if (this.settled()) for (const done of this.waiters.splice(0)) done() }

  async toBePrinted () {
    while (!this.settled()) {
      this.say(forPaper)
      await new Promise((done) => this.waiters.push(done))
    }
  }

  // tell says what there is to say of the page that is read.
  tell () {
    this.pass()
    clearTimeout(this.slow)
    const page = this.page
    const drawn = this.sheets.shown.get(page)?.classList.contains('rw-drawn')
    if (this.failed.has(page)) this.say(this.failed.get(page), 'explain')
    else this.say(this.wrong || this.again(page), Boolean(this.wrong))
    if (drawn || this.wrong || this.failed.has(page)) return
    this.slow = setTimeout(() => {
      this.say(this.waiters.length ? forPaper : `Fetching page ${page}`)
      this.waiting(page)
    }, 200)
  }

  // awaited reports whether a page is the one that is read, and still on its way.
  awaited (page) { return page === this.page && !this.failed.has(page) && !this.sheets.shown.get(page)?.classList.contains('rw-drawn') }

  waiting () {}

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

  // wanted is the pages in sight, the one that is read first, and the next ones.
  wanted () {
    const [first, last] = this.sheets.sight()
    const pages = [this.page]
    for (let page = first; page <= last; page++) if (page !== this.page) pages.push(page)
    for (let page = this.page + 1; page <= this.page + ahead; page++) if (page > last) pages.push(page)
    return pages.filter((page) => page <= this.pages && !this.failed.has(page))
  }

  fill () { for (const page of this.wanted()) this.want(page) }

  settle (quiet) {
    this.fill()
    this.thumbs.go(this.page)
    if (!quiet && this.at(this.page) !== location.pathname + location.search) history.replaceState(null, '', this.at(this.page))
  }

  show (page, back) {
    if (!Number.isInteger(page) || page < 1 || page > this.pages) return
    this.failed.delete(page)
    this.wrong = ''
    this.turnTo(page)
    this.aimed = 0
    this.aim()
    this.tell()
    this.settle(back)
  }

  turnTo (page) {
    if (page === this.page) return
    this.page = page
    this.wrong = ''
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
      const picture = box.querySelector('.rw-picture')
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

  // beside has another document be chosen to stand beside this one as it is open.
  beside () {
    const link = this.pane ? null : document.getElementById('beside')
    if (!link) return
    const q = new URLSearchParams(link.search)
    const here = new URLSearchParams(location.search)
    const place = new URLSearchParams({ part: this.part, page: this.page })
    for (const name of ['level', 'width']) if (here.has(name)) place.set(name, here.get(name))
    q.set('place', place)
    link.search = q
  }

  frame () {
    this.el('page').value = this.page
    this.beside()
    for (const [id, to] of [['previous', this.page - 1], ['next', this.page + 1]]) {
      const link = this.el(id)
      const off = to < 1 || to > this.pages
      link.classList.toggle('rw-off', off)
      link.href = off ? `#${this.root.id}` : this.at(to)
      if (off) link.setAttribute('aria-disabled', 'true')
      else link.removeAttribute('aria-disabled')
    }
  }
}
