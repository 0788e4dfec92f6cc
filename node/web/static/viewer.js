import { Pages } from './pages.js'
import { Store } from './store.js'
import { Window } from './window.js'

// Pages of a scan, one picture each: each is a release of its own.
const thumbWidth = 96
const large = 1 << 20 // bytes from which on it is said how many have come

class Viewer extends Pages {
  constructor (root) {
    super(root)
    const picture = this.el('picture')
    this.given = { page: this.page, picture } // what the server has put into the page
    const box = this.el('window')
    if (box) this.window = new Window(box, { change: (to) => this.seeThrough(to), wrong: (text) => this.complain(text) })
    this.store = new Store(this.source(), (page) => Math.abs(page - this.page), (page) => this.sheets.shown.has(page))
    const size = { width: Number(picture.getAttribute('width')) || 1, height: Number(picture.getAttribute('height')) || 1 }
    this.begin(Number(root.dataset.rwPages), size)
  }

  // source is the address of the pictures of pages, without which one.
  source () {
    const q = new URLSearchParams(location.search)
    const out = new URLSearchParams({ part: this.part })
    if (this.window?.chosen) for (const name of ['level', 'width']) out.set(name, q.get(name + this.pane) || '')
    return `${this.root.dataset.rwPageUrl}?${out}`
  }

  // seeThrough has the image seen through another window, null for the file's own. What is in sight stays until it has come again.
  seeThrough (to) {
    const q = new URLSearchParams(location.search)
    for (const name of ['level', 'width']) {
      if (to) q.set(name + this.pane, to[name])
      else q.delete(name + this.pane)
    }
    history.replaceState(null, '', `${location.pathname}?${q}`)
    this.frame()
    this.given = null
    this.wrong = ''
    this.failed.clear()
    this.store.clear()
    this.store.url = this.source()
    this.settle(true)
    this.say('Changing the window')
  }

  // learnt fills in the window of the picture that the server put into the page, which no header told.
  async learnt (page) {
    if (!this.window || this.window.width.value) return
    const answer = await fetch(`${this.root.dataset.rwComing}?part=${this.part}&page=${page}`, { cache: 'no-store' }).catch(() => null)
    const said = answer?.ok ? (await answer.text()).split(' ').slice(2).join(' ') : ''
    if (said && page === this.page && !this.window.width.value) this.window.through(said)
  }

  // tell fills in the window through which the page that is read is seen.
  tell () {
    super.tell()
    this.window?.through(this.store.windows.get(this.page))
  }

  put (page, box) {
    const given = this.given?.page === page ? this.given.picture : null
    const picture = given || new Image()
    picture.hidden = !given
    picture.classList.add('rw-picture')
    box.append(picture)
    if (!given) return
    const drawn = () => { this.arrived(page, box); this.learnt(page) }
    if (picture.complete && picture.naturalWidth) drawn()
    else picture.addEventListener('load', drawn, { once: true })
    picture.addEventListener('error', () => { // asked for again, the page says what is wrong
      if (this.given?.page === page) this.given = null
      picture.hidden = true
      picture.removeAttribute('src')
      this.want(page)
    }, { once: true })
  }

  clear (page, box) {
    const picture = box.querySelector('img')
    if (this.given?.page === page) this.given = null
    picture.hidden = true
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

  again (page) { return this.store.again.has(page) ? `The first copy of page ${page} failed its check and was thrown away. This one was fetched again, and is right.` : '' }

  // waiting says how much has come of a large page while it is waited for.
  async waiting (page) {
    if (this.asking) return
    this.asking = true
    const bar = this.el('coming')
    try {
      while (this.awaited(page)) {
        const answer = await fetch(`${this.root.dataset.rwComing}?part=${this.part}&page=${page}`, { cache: 'no-store' })
        const [came, of] = answer.ok ? (await answer.text()).split(' ').map(Number) : [0, 0]
        if (of > large && this.awaited(page)) {
          bar.hidden = false
          bar.firstElementChild.max = of
          bar.firstElementChild.value = came
          bar.lastElementChild.textContent = came < of ? `${megabytes(came)} of ${megabytes(of)} MB` : `${megabytes(of)} MB, being drawn`
        }
        await new Promise((done) => setTimeout(done, 250))
      }
    } catch { /* the page itself says what is wrong */ }
    this.asking = false
    bar.hidden = true
    if (page !== this.page && this.awaited(this.page)) this.waiting(this.page)
  }

  fill () {
    super.fill()
    this.store.trim()
  }

  // want has a page drawn, if it is in sight once it has come.
  async want (page) {
    if (this.given?.page === page) return
    try {
      const { url } = await this.store.get(page)
      const box = this.sheets.shown.get(page)
      const picture = box?.querySelector('img')
      if (!box || picture.getAttribute('src') === url) return
      picture.src = url
      await picture.decode()
      if (this.sheets.shown.get(page) === box) this.arrived(page, box)
    } catch (e) {
      if (e.name !== 'AbortError' && (e.name !== 'EncodingError' || this.sheets.shown.get(page)?.querySelector('img').src)) this.fail(page, e)
    }
  }

  arrived (page, box) {
    const picture = box.querySelector('img')
    picture.alt = `Page ${page} of ${this.pages} of ${this.title}`
    picture.hidden = false
    this.drawn(page, box, { width: picture.naturalWidth, height: picture.naturalHeight })
  }

  fail (page, error) {
    if (error.refused) this.store.clear()
    else this.store.forget(page)
    super.fail(page, error)
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

const megabytes = (n) => (n / 1e6).toFixed(1)

for (const root of document.querySelectorAll('[data-rw-pages]')) new Viewer(root)
