import { Stage } from './stage.js'

// Pages of a scan, one picture each. The pages around the one that is read are fetched ahead and kept, up to a few, so that
// turning a page does not wait, and a document of any length needs little memory.
const kept = 8
const ahead = 2

class Viewer extends Stage {
  constructor (root) {
    super()
    this.self = root.dataset.rwSelf
    this.part = root.dataset.rwPart
    this.pages = Number(root.dataset.rwPages)
    this.page = Number(root.dataset.rwPage)
    this.picture = document.getElementById('picture')
    this.title = document.querySelector('h1').textContent
    this.cache = new Map()
    this.on('previous', () => this.show(this.page - 1))
    this.on('next', () => this.show(this.page + 1))
    document.getElementById('jump').addEventListener('submit', (e) => {
      e.preventDefault()
      this.show(Number(document.getElementById('page').value))
    })
    this.keys((by) => this.show(this.page + by))
    addEventListener('popstate', () => this.show(Number(new URLSearchParams(location.search).get('page')) || 1, true))
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
    const answer = await fetch(`${this.self}/page?part=${this.part}&page=${page}`, { cache: 'no-store' })
    if (!answer.ok) throw new Error((await answer.text()).trim() || 'This page could not be fetched.')
    return URL.createObjectURL(await answer.blob())
  }

  forget (page) {
    const entry = this.cache.get(page)
    this.cache.delete(page)
    if (entry) entry.then((url) => URL.revokeObjectURL(url), () => {})
  }

  prefetch () {
    for (let i = 1; i <= ahead; i++) this.fetch(this.page + i)?.catch(() => {})
  }

  async show (page, back) {
    if (!Number.isInteger(page) || page < 1 || page > this.pages) {
      this.say(`Enter a page from 1 to ${this.pages}`, true)
      return
    }
    this.page = page
    const slow = setTimeout(() => this.say(`Fetching page ${page}`), 200)
    try {
      const url = await this.fetch(page)
      if (this.page !== page) return
      this.picture.src = url
      await this.picture.decode()
      if (this.page !== page) return
      this.picture.hidden = false
      this.say('')
      this.layout()
      this.stage.scrollTop = 0
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
    const at = (page) => `${this.self}?part=${this.part}&page=${page}`
    this.picture.alt = `Page ${this.page} of ${this.pages} of ${this.title}`
    document.getElementById('page').value = this.page
    for (const [id, to] of [['previous', this.page - 1], ['next', this.page + 1]]) {
      const link = document.getElementById(id)
      const off = to < 1 || to > this.pages
      link.classList.toggle('rw-off', off)
      link.href = off ? '#viewer' : at(to)
      if (off) link.setAttribute('aria-disabled', 'true')
      else link.removeAttribute('aria-disabled')
    }
    if (!back) history.replaceState(null, '', at(this.page))
  }
}

const root = document.getElementById('viewer')
if (root) new Viewer(root)
