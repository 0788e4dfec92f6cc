import * as pdfjs from './pdfjs/pdf.min.mjs'
import { Stage } from './stage.js'
import { Thumbs } from './thumbs.js'

// A PDF, drawn page by page by pdf.js. Bytes come by range, each verified before it is sent.
class PDFView extends Stage {
  constructor (root) {
    super(root)
    this.page = 1
    this.drawing = null
    this.on('previous', () => this.show(this.page - 1))
    this.on('next', () => this.show(this.page + 1))
    this.el('page').addEventListener('change', (e) => this.show(Number(e.target.value)))
    this.keys((by) => this.show(this.page + by))
    this.roll((by, end) => { if (this.pdf && this.page + by >= 1 && this.page + by <= this.pdf.numPages) this.show(this.page + by, end) })
    this.open(root)
  }

  async open (root) {
    pdfjs.GlobalWorkerOptions.workerSrc = root.dataset.rwWorker
    this.say('Opening the document')
    try {
      this.pdf = await pdfjs.getDocument({
        url: root.dataset.rwFile,
        wasmUrl: root.dataset.rwWasm,
        isEvalSupported: false,
        enableXfa: false,
        disableAutoFetch: true,
        rangeChunkSize: 262144
      }).promise
      this.el('total').textContent = `of ${this.pdf.numPages}`
      this.thumbs = new Thumbs(this.el('thumbs'), this.el('thumbs-open'), { pages: this.pdf.numPages, draw: (page) => this.small(page), open: (page) => this.show(page) })
      await this.show(1)
    } catch (e) {
      this.say('This document could not be opened.', 'explain')
    }
  }

  size () { return this.view ? { width: this.view[2] - this.view[0], height: this.view[3] - this.view[1] } : { width: 1, height: 1 } }

  async show (page, end) {
    if (!this.pdf) return
    if (!Number.isInteger(page) || page < 1 || page > this.pdf.numPages) {
      this.say(`Enter a page from 1 to ${this.pdf.numPages}`, true)
      return
    }
    if (page !== this.page) this.pdf.getPage(this.page).then((old) => old.cleanup(), () => {}) // what was drawn is on the canvas
    this.page = page
    this.el('page').value = page
    this.el('previous').disabled = page === 1
    this.el('next').disabled = page === this.pdf.numPages
    await this.layout()
    this.stage.scrollTop = end ? this.stage.scrollHeight : 0
    this.thumbs.go(page)
    if (page < this.pdf.numPages) this.pdf.getPage(page + 1).catch(() => {})
  }

  async layout () {
    if (!this.pdf) return
    const page = this.page
    try {
      const source = await this.pdf.getPage(page)
      this.view = source.view
      const ratio = Math.min(devicePixelRatio || 1, 2)
      const viewport = source.getViewport({ scale: this.factor() * ratio, rotation: (source.rotate + this.turn) % 360 })
      const canvas = document.createElement('canvas')
      canvas.width = Math.min(8000, Math.floor(viewport.width))
      canvas.height = Math.min(8000, Math.floor(viewport.height))
      canvas.className = 'rw-picture'
      canvas.style.width = `${Math.floor(viewport.width / ratio)}px`
      canvas.setAttribute('role', 'img')
      this.drawing?.cancel()
      this.drawing = source.render({ canvasContext: canvas.getContext('2d'), canvas, viewport })
      await this.drawing.promise
      const text = (await source.getTextContent()).items.map((i) => i.str).join(' ')
      canvas.setAttribute('aria-label', `Page ${page} of ${this.pdf.numPages}. ${text}`)
      if (this.page === page) {
        this.stage.replaceChildren(canvas)
        this.say('')
      }
    } catch (e) {
      if (e?.name !== 'RenderingCancelledException') this.say(`Page ${page} could not be shown.`, 'explain')
    }
  }

  // small draws a thumbnail.
  async small (page) {
    const source = await this.pdf.getPage(page)
    const viewport = source.getViewport({ scale: 96 / source.getViewport({ scale: 1 }).width })
    const canvas = document.createElement('canvas')
    canvas.width = Math.floor(viewport.width)
    canvas.height = Math.min(130, Math.floor(viewport.height))
    await source.render({ canvasContext: canvas.getContext('2d'), canvas, viewport }).promise
    if (page !== this.page) source.cleanup()
    return canvas
  }
}

for (const root of document.querySelectorAll('[data-rw-file]')) new PDFView(root)
