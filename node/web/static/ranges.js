import { refuse } from './answers.js'
import { askRange, chunk, takeRange, takeWorker } from './early.js'
import * as pdfjs from './pdfjs/pdf.min.mjs'

// The bytes of a PDF, by ranges, each verified before it is sent. pdf.js keeps what has come and never asks twice, so the document
// is opened anew after a range that did not come, and when more lies in memory than a reader needs. Where opening it takes much by
// itself (a list of pages that lies all over the file), it is kept instead.
const most = 64 << 20

class Ranges extends pdfjs.PDFDataRangeTransport {
  // told hears of each range that has come, with its answer, and of the error of one that has not.
  constructor (url, size, told) {
    super(size, null)
    Object.assign(this, { url, told, stop: new AbortController() })
  }

  async requestDataRange (begin, end) {
    try {
      const bytes = await this.ask(begin, end).catch((e) => {
        if (e.refused || this.stop.signal.aborted) throw e
        return this.ask(begin, end) // a line that broke is tried once more
      })
      if (!this.stop.signal.aborted) this.onDataRange(begin, bytes)
    } catch (e) {
      if (!this.stop.signal.aborted) this.told(e)
    }
  }

  async ask (begin, end) {
    const early = await takeRange(this.url, begin)?.catch(() => null)
    const { answer, bytes } = early?.end === end ? early : await askRange(this.url, begin, end, this.stop.signal)
    if (!answer.ok) refuse(answer, new TextDecoder().decode(bytes), { told: true })
    this.told(null, bytes.length, answer.headers.get('Ridgeway-Check') === 'retried')
    return bytes
  }

  abort () { this.stop.abort() }
}

export class Source {
  // again hears of each range whose first copy failed its check.
  constructor ({ rwFile, rwSize, rwWasm, rwWorker }, again) {
    pdfjs.GlobalWorkerOptions.workerSrc = rwWorker
    Object.assign(this, { url: rwFile, size: Number(rwSize), wasmUrl: rwWasm, again, task: null })
  }

  // read calls act with the document, opened anew if it had to be closed. It fails when what is read of it does not come, with an
  // error that is told to the reader where it says so itself.
  read (act) {
    if (!this.task) this.open()
    return Promise.race([this.lost.promise, this.task.promise.then(act)])
  }

  open () {
    this.came = 0
    this.cost = 0 // until the first page is drawn
    const range = new Ranges(this.url, this.size, (error, bytes, retried) => {
      if (range !== this.range) return
      this.came += bytes || 0
      if (retried) this.again()
      if (error) this.close(error)
    })
    this.range = range
    this.lost = Promise.withResolvers()
    this.lost.promise.catch(() => {})
    const port = takeWorker(this.url)
    this.worker = port ? { port, of: new pdfjs.PDFWorker({ port }) } : null // after the first, each time another: one may hang
    this.task = pdfjs.getDocument({ range, ...(this.worker && { worker: this.worker.of }), wasmUrl: this.wasmUrl, isEvalSupported: false, enableXfa: false, disableAutoFetch: true, disableStream: true, rangeChunkSize: chunk })
  }

  // close lets go of all that has come. What was being read fails, for the reason that is given.
  close (wrong) {
    if (!this.task) return
    this.range.abort()
    this.lost.reject(wrong)
    const worker = this.worker
    this.task.destroy().catch(() => {})
    worker?.of.destroy()
    worker?.port.terminate()
    this.task = this.range = this.worker = null
  }

  // drawn notes that a page was drawn.
  drawn () { this.cost ||= this.came }

  // trim closes a document of which too much has come; it is opened anew by who reads on.
  trim () { if (this.task && this.came > Math.max(most, 4 * this.cost)) this.close(new Error('Let go of')) }
}
