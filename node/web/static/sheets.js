// Pages one below the other: of a document of any length, only those near what is in sight exist as elements. A page whose size is
// not known yet has the room of one that is; when its size comes to be known, what is read stays where it is on the screen.
const gap = 8
const around = 1
const most = 30
const tallest = 12e6 // pixels: browsers lay out some 17 million

export class Sheets {
  // scale is how many screen pixels a pixel of a page of this size has; enter fills the element of a page, leave empties it.
  constructor (stage, pages, typical, { scale, enter, leave }) {
    Object.assign(this, { stage, pages, typical, scale, enter, leave, sizes: new Map(), shown: new Map(), turned: false })
    this.tops = new Float64Array(pages + 1)
    this.strip = document.createElement('div')
    this.strip.className = 'rw-sheets'
    stage.replaceChildren(this.strip)
  }

  size (page) { return this.sizes.get(page) || this.typical }

  // room is what a page takes on the screen, turned as it is.
  room (size) {
    const [width, height] = this.turned ? [size.height, size.width] : [size.width, size.height]
    const f = Math.min(this.scale(size), tallest / this.pages / height)
    return { width: Math.round(width * f), height: Math.round(height * f) }
  }

  // learn takes in what size a page has, and reports whether it was taken for another.
  learn (page, size) {
    const was = this.size(page)
    if (was.width === size.width && was.height === size.height) return false
    this.sizes.set(page, size)
    return true
  }

  // measure places all pages anew; the point in sight at the share of the height that is given stays where it is.
  measure (share) {
    const y = this.stage.clientHeight * share
    const page = this.at(this.stage.scrollTop + y)
    const tall = this.tops[page] - this.tops[page - 1]
    const part = tall ? (this.stage.scrollTop + y - this.tops[page - 1]) / tall : 0
    const middle = (this.stage.scrollLeft + this.stage.clientWidth / 2) / this.stage.scrollWidth
    const rooms = new Map()
    let top = 0
    this.width = this.stage.clientWidth - 4
    for (let p = 1; p <= this.pages; p++) {
      const size = this.size(p)
      if (!rooms.has(size)) rooms.set(size, this.room(size))
      this.tops[p - 1] = top
      top += rooms.get(size).height + gap
      this.width = Math.max(this.width, rooms.get(size).width)
    }
    this.tops[this.pages] = top
    this.strip.style.height = `${top - gap}px`
    this.strip.style.width = `${this.width}px`
    for (const [p, box] of this.shown) this.place(p, box)
    this.stage.scrollLeft = middle * this.stage.scrollWidth - this.stage.clientWidth / 2
    if (tall) this.stage.scrollTop = this.tops[page - 1] + part * (this.tops[page] - this.tops[page - 1]) - y
  }

  place (page, box) {
    const { width, height } = this.room(this.size(page))
    box.style.top = `${this.tops[page - 1]}px`
    box.style.left = `${Math.round((this.width - width) / 2)}px`
    box.style.width = `${width}px`
    box.style.height = `${height}px`
  }

  // at is the page at a height of the strip.
  at (y) {
    let low = 1
    let high = this.pages
    while (low < high) {
      const half = (low + high + 1) >> 1
      if (this.tops[half - 1] <= y) low = half
      else high = half - 1
    }
    return low
  }

  // sight is the first and the last page of which something is to be seen.
  sight () {
    const first = this.at(this.stage.scrollTop)
    return [first, Math.min(this.at(this.stage.scrollTop + this.stage.clientHeight), first + most)]
  }

  // lay has the elements of the pages in sight and those beside them, in their order, and no others.
  lay () {
    const [first, last] = this.sight()
    for (const page of [...this.shown.keys()]) if (page < first - around || page > last + around) this.drop(page)
    let after = null
    for (let page = Math.min(this.pages, last + around); page >= Math.max(1, first - around); page--) {
      let box = this.shown.get(page)
      if (!box) {
        box = document.createElement('div')
        box.className = 'rw-sheet'
        this.shown.set(page, box)
        this.place(page, box)
        this.strip.insertBefore(box, after)
        this.enter(page, box)
      }
      after = box
    }
  }

  drop (page) {
    const box = this.shown.get(page)
    this.shown.delete(page)
    this.leave(page, box)
    box.remove()
  }

  // go brings the top of a page to the top of the stage.
  go (page) {
    this.stage.scrollTop = this.tops[page - 1]
    this.lay()
  }
}
