import * as pdfjs from './pdfjs/pdf.min.mjs'
import { Stage } from './stage.js'

// A PDF, drawn page by page by pdf.js. Bytes come by range, each verified before it is sent.
class PDFView extends Stage {
  constructor (root) {
    super()
    this.page = 1
    this.drawing = null
    this.on('previous', () => this.show(this.page - 1))
    this.on('next', () => this.show(this.page + 1))
    document.getElementById('page').addEventListener('change', (e) => this.show(Number(e.target.value)))
    this.keys((by) => this.show(this.page + by))
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
      document.getElementById('total').textContent = `of ${this.pdf.numPages}`
      await this.show(1)
    } catch (e) {
      this.say('This document could not be opened.', 'explain')
    }
  }

  size () { return this.view ? { width: this.view[2] - this.view[0], height: this.view[3] - this.view[1] } : { width: 1, height: 1 } }

  async show (page) {
    if (!this.pdf) return
    if (!Number.isInteger(page) || page < 1 || page > this.pdf.numPages) {
      this.say(`Enter a page from 1 to ${this.pdf.numPages}`, true)
      return
    }
    this.page = page
    document.getElementById('page').value = page
    document.getElementById('previous').disabled = page === 1
    document.getElementById('next').disabled = page === this.pdf.numPages
    await this.layout()
    this.stage.scrollTop = 0
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
}

const root = document.getElementById('pdf')
if (root) new PDFView(root)
