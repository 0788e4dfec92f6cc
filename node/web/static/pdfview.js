import { Pages } from './pages.js'
import { Source } from './ranges.js'

// A PDF: pages in one scroll, drawn by pdf.js while they are near what is in sight.
const mostPixels = 10e6 // of one drawing
const sharp = 2 // pixels of a drawing to one of the screen, at most

class PDFView extends Pages {
  constructor (root) {
    super(root)
    this.works = new Map() // element of a page to how it is drawn, or being drawn
    this.retried = new Set()
    this.source = new Source(root.dataset, () => { for (const work of this.works.values()) if (!work.done) work.again = true })
    this.open()
  }

  async open () {
    this.say('Opening the document')
    try {
      const [pages, size] = await this.source.read(async (pdf) => [pdf.numPages, measured(await pdf.getPage(Math.min(this.page, pdf.numPages)))])
      this.el('total').textContent = `of ${pages.toLocaleString('en-GB')}`
      this.say('')
      this.begin(pages, size)
    } catch (e) {
      this.ended = true
      this.pass()
      if (e.name === 'PasswordException') this.say('This document is locked with a password. Download it, and open it with its password.', true)
      else this.say(e.told ? e.message : 'This document could not be opened.', 'explain')
    }
  }

  put (page, box) {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 0
    canvas.className = 'rw-picture'
    canvas.hidden = true
    canvas.setAttribute('role', 'img')
    box.append(canvas)
  }

  clear (page, box) {
    const work = this.works.get(box)
    this.works.delete(box)
    work?.task?.cancel()
    work?.from?.cleanup()
    const canvas = box.querySelector('canvas')
    canvas.width = canvas.height = 0
    canvas.hidden = true
  }

  // fitIn hides what was drawn for another side up; of another size, it is stretched until it is drawn anew.
  fitIn (page, box) {
    const canvas = box.querySelector('canvas')
    if (canvas.hidden || canvas.dataset.rwTurn === String(this.turn)) return
    canvas.hidden = true
    box.classList.remove('rw-drawn')
  }

  again (page) { return this.retried.has(page) ? 'A piece of this page failed its check and was thrown away. It was fetched again, and is right.' : '' }

  fill () {
    super.fill()
    if (![...this.works.values()].some((work) => !work.done)) this.source.trim()
  }

  // want has a page drawn in the size that it has now, if it is near what is in sight.
  async want (page) {
    const box = this.sheets.shown.get(page)
    if (!box) return
    const room = this.sheets.room(this.sheets.size(page))
    const how = `${room.width} ${room.height} ${this.turn}`
    const was = this.works.get(box)
    if (was?.how === how) return
    was?.task?.cancel()
    const work = { how, turn: this.turn }
    this.works.set(box, work)
    const current = () => this.works.get(box) === work
    try {
      work.from = await this.source.read((pdf) => pdf.getPage(page))
      if (!current()) return
      if (this.sheets.learn(page, measured(work.from))) {
        this.works.delete(box)
        this.layout() // which wants it again
        return
      }
      const [canvas, text] = await this.source.read(() => Promise.all([this.draw(work, room), work.from.getTextContent()]))
      if (work.again) this.retried.add(page)
      if (current()) this.hang(page, box, canvas, text.items.map((i) => i.str).join(' '))
      else canvas.width = canvas.height = 0
    } catch (e) {
      if (current()) this.fail(page, e.told ? e : new Error('This page could not be shown.'))
    }
  }

  async draw (work, room) {
    const turned = work.from.getViewport({ scale: 1, rotation: (work.from.rotate + work.turn) % 360 })
    const ratio = Math.min(devicePixelRatio || 1, sharp, Math.sqrt(mostPixels / (room.width * room.height)))
    const viewport = turned.clone({ scale: room.width / turned.width * ratio })
    const canvas = document.createElement('canvas')
    canvas.width = Math.max(1, Math.floor(viewport.width))
    canvas.height = Math.max(1, Math.floor(viewport.height))
    work.task = work.from.render({ canvasContext: canvas.getContext('2d'), canvas, viewport })
    await work.task.promise
    work.done = true
    return canvas
  }

  // hang puts a page that was drawn in the place of what was there.
  hang (page, box, canvas, text) {
    const old = box.querySelector('canvas')
    canvas.className = 'rw-picture'
    canvas.id = old.id
    canvas.dataset.rwTurn = this.turn
    canvas.setAttribute('role', 'img')
    canvas.setAttribute('aria-label', `Page ${page} of ${this.pages} of ${this.title}. ${text}`)
    old.width = old.height = 0
    old.replaceWith(canvas)
    this.source.drawn()
    this.drawn(page, box, this.sheets.size(page))
  }

  // fail takes the bytes of a refused document with it. A line that broke fails what is read, and not what might be next.
  fail (page, error) {
    if (error.refused) this.source.close(error)
    const [first, last] = this.sheets.sight()
    if (error.refused || (page >= first && page <= last)) super.fail(page, error)
    else this.clear(page, this.sheets.shown.get(page))
  }

  // small draws a thumbnail.
  async small (page) {
    const from = await this.source.read((pdf) => pdf.getPage(page))
    const viewport = from.getViewport({ scale: 96 / from.getViewport({ scale: 1 }).width })
    const canvas = document.createElement('canvas')
    canvas.width = Math.floor(viewport.width)
    canvas.height = Math.min(130, Math.floor(viewport.height))
    await this.source.read(() => from.render({ canvasContext: canvas.getContext('2d'), canvas, viewport }).promise)
    if (!this.sheets.shown.has(page)) from.cleanup()
    return canvas
  }
}

// measured is the size of a page as it is meant to be read.
function measured (page) {
  const { width, height } = page.getViewport({ scale: 1 })
  return { width, height }
}

for (const root of document.querySelectorAll('[data-rw-file]')) new PDFView(root)
