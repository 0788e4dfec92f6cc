import { refuse } from './answers.js'

// Pictures of pages, as they were fetched: a few, so that a document of any length needs little memory.
const kept = 8

export class Store {
  // far is how far a page is from the one that is read; held reports whether it is on the screen.
  constructor (url, far, held) {
    Object.assign(this, { url, far, held, pages: new Map(), again: new Set(), windows: new Map() }) // again: the first copy failed its check
  }

  // get returns a page as an address that holds until it is let go.
  get (page) {
    if (!this.pages.has(page)) {
      const stop = new AbortController()
      const come = this.bytes(page, stop.signal).then((blob) => ({ blob, url: URL.createObjectURL(blob) }))
      this.pages.set(page, { stop, come })
      this.trim()
    }
    return this.pages.get(page).come
  }

  // peek returns the bytes of a page, which are let go when they were not kept anyway.
  async peek (page) { return this.pages.has(page) ? (await this.pages.get(page).come).blob : this.bytes(page) }

  async bytes (page, signal) {
    const answer = await fetch(`${this.url}&page=${page}`, { cache: 'no-store', signal })
    if (!answer.ok) refuse(answer, await answer.text())
    if (answer.headers.has('Ridgeway-Window')) this.windows.set(page, answer.headers.get('Ridgeway-Window'))
    if (answer.headers.get('Ridgeway-Check') === 'retried') this.again.add(page)
    return answer.blob()
  }

  // trim lets the farthest go, on their way or here.
  trim () {
    const far = [...this.pages.keys()].filter((page) => !this.held(page)).sort((a, b) => this.far(b) - this.far(a))
    for (const page of far) {
      if (this.pages.size <= kept) return
      this.forget(page)
    }
  }

  forget (page) {
    const entry = this.pages.get(page)
    if (!entry) return
    this.pages.delete(page)
    entry.stop.abort()
    entry.come.then(({ url }) => URL.revokeObjectURL(url), () => {})
  }

  clear () {
    this.windows.clear()
    for (const page of [...this.pages.keys()]) this.forget(page)
  }
}
